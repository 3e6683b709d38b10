// Runs one exported graph model in TensorFlow.js for runtimes/tfjs.py.
//
//   node run.mjs MODULES MODEL BACKEND
//
// MODULES is a folder that holds node_modules, MODEL one that holds model.json, BACKEND wasm or cpu.
// Standard output carries one JSON object a line: first {ready}, then {milliseconds} for each line of
// standard input, {input, output, shape}: `input` is a file of uint8 pixels in that shape, [images,
// height, width, 3], `output` the file to write float32 probabilities [images, classes] to.
// Anything that goes wrong is answered as {error}. The end of standard input ends the process.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";

const [modules, folder, backend] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(modules), "run.mjs"));

// Standard output belongs to the answers.
console.log = console.info = console.error;

// Images per call of the model; bounds the memory, not the result.
const CHUNK = 8;

function answer(object) {
  process.stdout.write(JSON.stringify(object) + "\n");
}

async function start() {
  const tf = require("@tensorflow/tfjs-core");
  tf.env().set("PROD", true);
  if (backend === "wasm") {
    const wasm = require("@tensorflow/tfjs-backend-wasm");
    wasm.setWasmPaths(path.dirname(require.resolve("@tensorflow/tfjs-backend-wasm")) + path.sep);
  } else {
    require("@tensorflow/tfjs-backend-cpu");
  }
  if (!(await tf.setBackend(backend))) {
    throw new Error(`The backend ${backend} did not start`);
  }
  const converter = require("@tensorflow/tfjs-converter");
  const model = await converter.loadGraphModel(tf.io.fromMemory(artifacts(folder)));
  return { tf, model };
}

function artifacts(folder) {
  const json = JSON.parse(readFileSync(path.join(folder, "model.json"), "utf8"));
  const shards = json.weightsManifest.flatMap((group) => group.paths);
  return {
    ...json,
    weightSpecs: json.weightsManifest.flatMap((group) => group.weights),
    weightData: shards.map((name) => Uint8Array.from(readFileSync(path.join(folder, name))).buffer),
  };
}

function predict({ tf, model }, { input, output, shape }) {
  const [count, ...imageShape] = shape;
  const pixels = readFileSync(input);
  const size = imageShape.reduce((product, length) => product * length, 1);
  const parts = [];
  for (let first = 0; first < count; first += CHUNK) {
    const last = Math.min(first + CHUNK, count);
    const values = Float32Array.from(pixels.subarray(first * size, last * size));
    const result = tf.tidy(() => model.predict({ image: tf.tensor(values, [last - first, ...imageShape]) }).dataSync());
    parts.push(Buffer.from(result.buffer, result.byteOffset, result.byteLength));
  }
  writeFileSync(output, Buffer.concat(parts));
}

async function main() {
  const state = await start();
  answer({ ready: true });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    const begin = performance.now();
    predict(state, request);
    answer({ milliseconds: performance.now() - begin });
  }
}

main().catch((error) => {
  answer({ error: String(error?.message ?? error) });
  process.exitCode = 1;
});
