// Runs one exported graph model in TensorFlow.js for runtimes/tfjs.py.
//
//   node run.mjs MODULES MODEL BACKEND
//
// MODULES is a folder that holds node_modules, MODEL one that holds model.json, BACKEND wasm or cpu.
// Standard output carries one JSON object a line: first {ready}, then {milliseconds} for each line of
// standard input, {input, outputs, shape, batch}: `input` is a file of uint8 pixels in that shape, [images,
// height, width, 3], `outputs` the file to write each output to, by its name, float32 [images, ...], `batch`
// the number of images that the model takes at a time, null for any number.
// Anything that goes wrong is answered as {error}. The end of standard input ends the process.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";

const [modules, folder, backend] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(modules), "run.mjs"));

// Standard output belongs to the answers.
console.log = console.info = console.error;

// Images per call of a model that takes any number; bounds the memory, not the result.
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

function predict({ tf, model }, { input, outputs, shape, batch }) {
  const [count, ...imageShape] = shape;
  const pixels = readFileSync(input);
  const size = imageShape.reduce((product, length) => product * length, 1);
  const parts = new Map(Object.keys(outputs).map((name) => [name, []]));
  for (let first = 0; first < count; first += batch ?? CHUNK) {
    const images = Math.min(batch ?? CHUNK, count - first);
    const values = new Float32Array((batch ?? images) * size);
    values.set(pixels.subarray(first * size, (first + images) * size));
    // A fixed number of images is filled up with repeats of the last one, and the answer is cut.
    for (let filled = images; filled < batch; filled += 1) {
      values.copyWithin(filled * size, (images - 1) * size, images * size);
    }
    const image = tf.tensor(values, [values.length / size, ...imageShape]);
    const answers = model.predict({ image });
    const named = answers instanceof tf.Tensor ? { [[...parts.keys()][0]]: answers } : answers;
    for (const [name, list] of parts) {
      const data = named[name].dataSync();
      const wanted = data.subarray(0, (data.length / named[name].shape[0]) * images);
      list.push(Buffer.from(wanted.buffer, wanted.byteOffset, wanted.byteLength));
    }
    tf.dispose([image, answers]);
  }
  for (const [name, list] of parts) {
    writeFileSync(outputs[name], Buffer.concat(list));
  }
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
