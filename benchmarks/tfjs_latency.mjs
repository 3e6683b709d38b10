// Times graph models against each other in TensorFlow.js, for tfjs_latency.py.
//
//   node tfjs_latency.mjs MODULES BACKEND SIDE RUNS FOLDER...
//
// Each run takes one picture of SIDE pixels through every model in turn. Standard output is a JSON object: for each
// folder {wall, cpu}, lists of milliseconds, or {error}.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [modules, backend, side, runs, ...folders] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(modules), "run.mjs"));
console.log = console.info = console.error;

const tf = require("@tensorflow/tfjs-core");
tf.env().set("PROD", true);
const { loadGraphModel } = require("@tensorflow/tfjs-converter");

async function load(folder) {
  const json = JSON.parse(readFileSync(path.join(folder, "model.json"), "utf8"));
  const weightSpecs = json.weightsManifest.flatMap((group) => group.weights);
  const shards = json.weightsManifest.flatMap((group) => group.paths);
  const weightData = shards.map((name) => Uint8Array.from(readFileSync(path.join(folder, name))).buffer);
  return loadGraphModel(tf.io.fromMemory({ ...json, weightSpecs, weightData }));
}

function once(model, image) {
  const begin = performance.now();
  const used = process.cpuUsage();
  const answer = tf.tidy(() => model.execute({ [model.inputs[0].name]: image }));
  answer.dataSync();
  answer.dispose();
  const { user, system } = process.cpuUsage(used);
  return { wall: performance.now() - begin, cpu: (user + system) / 1000 };
}

if (backend === "wasm") {
  const wasm = require("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(path.dirname(require.resolve("@tensorflow/tfjs-backend-wasm")) + path.sep);
} else {
  require("@tensorflow/tfjs-backend-cpu");
}
await tf.setBackend(backend);
const size = Number(side);
const pixels = Float32Array.from({ length: size * size * 3 }, (_, index) => (index * 7919) % 256);
const image = tf.tensor(pixels, [1, size, size, 3]);
const results = {};
const models = {};
for (const folder of folders) {
  try {
    models[folder] = await load(folder);
    once(models[folder], image);
    results[folder] = { wall: [], cpu: [] };
  } catch (error) {
    delete models[folder];
    results[folder] = { error: String(error?.message ?? error) };
  }
}
for (let run = 0; run < Number(runs); run += 1) {
  for (const [folder, model] of Object.entries(models)) {
    const { wall, cpu } = once(model, image);
    results[folder].wall.push(wall);
    results[folder].cpu.push(cpu);
  }
}
process.stdout.write(JSON.stringify(results));
