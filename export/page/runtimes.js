"use strict";

// What computes: TensorFlow.js on one of its backends, or LiteRT.js. Each is loaded when it is first chosen.
const runtimes = (() => {
  const NAMES = {
    wasm: "WebAssembly",
    webgpu: "WebGPU",
    webgl: "WebGL",
    cpu: "plain JavaScript",
    litert: "LiteRT.js, WebAssembly",
  };
  const loaded = new Map();

  function available(options) {
    const gpu = { webgpu: "gpu" in navigator, webgl: "WebGL2RenderingContext" in window || "WebGLRenderingContext" in window };
    return Object.keys(NAMES).filter((name) => (gpu[name] ?? true) && (name !== "litert" || options.tflite));
  }

  function script({ url, integrity }) {
    if (!loaded.has(url)) {
      const promise = new Promise((resolve, reject) => {
        const element = document.createElement("script");
        element.src = url;
        if (integrity) {
          element.integrity = integrity;
          element.crossOrigin = "anonymous";
        }
        element.onload = () => resolve();
        element.onerror = () => {
          loaded.delete(url);
          reject(new Error(`${url} could not be loaded`));
        };
        document.head.append(element);
      });
      loaded.set(url, promise);
    }
    return loaded.get(url);
  }

  // A file of the library as an address in memory, checked against its hash.
  async function blobAddress({ url, integrity }, files) {
    const chosen = files?.get(url.split("/").pop());
    if (!chosen) {
      const response = await fetch(url, integrity ? { integrity } : {});
      if (!response.ok) throw new Error(`${url} could not be loaded (${response.status})`);
      return URL.createObjectURL(new Blob([await response.arrayBuffer()], { type: "application/wasm" }));
    }
    return URL.createObjectURL(chosen.slice(0, chosen.size, "application/wasm"));
  }

  async function prepareWasm(library, files) {
    const simd = await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT");
    const threads = simd && (await tf.env().getAsync("WASM_HAS_MULTITHREAD_SUPPORT"));
    const names = ["", "-simd", "-threaded-simd"].map((kind) => `tfjs-backend-wasm${kind}.wasm`);
    const address = await blobAddress(library[names[threads ? 2 : simd ? 1 : 0]], files);
    // TensorFlow.js wants to know all three, and asks for this one.
    tf.wasm.setWasmPaths(Object.fromEntries(names.map((name) => [name, address])));
  }

  // The files of the model, as TensorFlow.js takes them: its address, or what was chosen by hand.
  function source(options, files) {
    // Whole: of a bare name TensorFlow.js takes the server's root for the folder of the weights.
    if (!files) return new URL(options.model, document.baseURI).href;
    const model = files.get(options.model);
    if (!model) throw new Error(`The folder holds no ${options.model}`);
    return tf.io.browserFiles([model, ...[...files.values()].filter((file) => file.name.endsWith(".bin"))]);
  }

  async function tensorflow(backend, { options, files, progress }) {
    const { library } = options;
    await script(library.core);
    await Promise.all([script(library.converter), script(library[backend])]);
    tf.env().set("PROD", true);
    if (backend === "wasm" && !loaded.has("paths")) {
      await prepareWasm(library, files);
      loaded.set("paths", true);
    }
    if (!(await tf.setBackend(backend))) throw new Error(`This browser does not start ${NAMES[backend]}`);
    const model = await tf.loadGraphModel(source(options, files), { onProgress: progress });
    const [height, width] = options.preprocessing.image_size;
    const batch = Math.max(model.inputs[0].shape[0], 1);
    const names = model.structuredOutputKeys ?? ["probabilities"];
    return {
      async run(bytes) {
        const answers = tf.tidy(() => {
          const image = tf.tensor(Float32Array.from(bytes), [1, height, width, 3]);
          const named = model.predict({ image: batch > 1 ? tf.tile(image, [batch, 1, 1, 1]) : image });
          return probabilitiesOf(named instanceof tf.Tensor ? { [names[0]]: named } : named);
        });
        const data = await answers.data();
        answers.dispose();
        return data.subarray(0, options.labels.length);
      },
      close: () => model.dispose(),
    };
  }

  function probabilitiesOf(answers) {
    if (answers.probabilities) return answers.probabilities;
    if (answers.logits) return tf.softmax(answers.logits);
    throw new Error(`This network names no classes: it answers ${Object.keys(answers).join(", ")}`);
  }

  async function litert(backend, { options, progress }) {
    const { library } = options;
    const { loadLiteRt, loadAndCompile, Tensor } = await import("@litertjs/core");
    if (!loaded.has(backend)) {
      loaded.set(backend, startLiteRt(loadLiteRt, library));
    }
    await loaded.get(backend);
    progress(0.5);
    const response = await fetch(options.tflite);
    if (!response.ok) throw new Error(`${options.tflite} could not be loaded (${response.status})`);
    const model = await loadAndCompile(new Uint8Array(await response.arrayBuffer()), { accelerator: "wasm" });
    const input = model.getInputDetails().find(({ name }) => name === "image");
    return {
      async run(bytes) {
        const values = new (input.dtype === "float32" ? Float32Array : Uint8Array)(bytes.length * input.shape[0]);
        for (let image = 0; image < input.shape[0]; image += 1) values.set(bytes, image * bytes.length);
        const tensor = new Tensor(values, Array.from(input.shape));
        const answers = await model.run({ image: tensor });
        const found = await answers.probabilities.data();
        // A softmax in bytes counts in steps of 1/256.
        const data = Float32Array.from(found, (value) => (found instanceof Float32Array ? value : value / 256));
        for (const used of [tensor, ...Object.values(answers)]) used.delete();
        return data.subarray(0, options.labels.length);
      },
      close: () => model.delete(),
    };
  }

  // The library looks for its program by an address that ends in .js, and for its code beside it: both are given
  // from memory, after their hashes were checked.
  async function startLiteRt(loadLiteRt, library) {
    const kind = relaxedSimd() ? "litert_wasm_internal" : "litert_wasm_compat_internal";
    const code = await blobAddress(library[`${kind}.wasm`]);
    const program = await blobAddress(library[`${kind}.js`]);
    self.Module = { locateFile: () => code };
    return loadLiteRt(`${program}#litert.js`);
  }

  // A module with one instruction of relaxed SIMD: i32x4.relaxed_trunc_f32x4_s.
  function relaxedSimd() {
    return WebAssembly.validate(
      Uint8Array.of(
        ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0],
        ...[10, 11, 1, 9, 0, 65, 0, 253, 15, 253, 129, 2, 11],
      ),
    );
  }

  async function open(name, context) {
    const runtime = await (name === "litert" ? litert : tensorflow)(name, context);
    // The first call compiles; no person should wait for it twice, and no time should count it.
    const [height, width] = context.options.preprocessing.image_size;
    await runtime.run(new Uint8Array(height * width * 3));
    return runtime;
  }

  return { NAMES, available, open };
})();
