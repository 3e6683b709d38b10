"use strict";

(() => {
  const options = JSON.parse(document.getElementById("options").textContent);
  const query = new URLSearchParams(location.search);
  const record = options.preprocessing;
  const TOP = 5;
  const at = (id) => document.getElementById(id);

  // The network that is loaded, or a promise of it; what it was shown last, to show it to another one.
  let opening = null;
  let last = null;
  let files = null;
  let stream = null;

  function say(text, { wrong = false } = {}) {
    at("status").textContent = text;
    at("status").classList.toggle("wrong", wrong);
  }

  function complain(error) {
    say(`${String(error?.message ?? error).replace(/\.$/, "")}.`, { wrong: true });
    at("progress").hidden = true;
  }

  // The network

  function load() {
    const name = at("backend").value;
    const before = opening;
    at("progress").hidden = false;
    at("progress").value = 0;
    say(`Loading the network for ${runtimes.NAMES[name]} …`);
    const progress = (fraction) => {
      at("progress").value = fraction;
      if (fraction >= 1) say(`Getting ready on ${runtimes.NAMES[name]} …`);
    };
    const promise = Promise.resolve(before)
      .catch(() => null)
      .then((runtime) => runtime?.close())
      .then(() => runtimes.open(name, { options, files, progress }));
    opening = promise;
    return promise.then(
      () => {
        if (promise !== opening) return;
        at("progress").hidden = true;
        say("Ready: show it a picture.");
      },
      (error) => {
        if (promise !== opening) return;
        complain(error);
        throw error;
      },
    );
  }

  // Answers

  async function classify(source) {
    const runtime = await opening;
    const begin = performance.now();
    const bytes = pictures.networkPixels(source, record);
    const between = performance.now();
    const probabilities = await runtime.run(bytes);
    const end = performance.now();
    pictures.show(bytes, record.image_size, at("seen"));
    answer(probabilities);
    at("network-time").textContent = milliseconds(end - between);
    at("pixel-time").textContent = milliseconds(between - begin);
    at("details").hidden = false;
    const backend = at("backend").value;
    document.dispatchEvent(new CustomEvent("classified", { detail: { backend, pixels: bytes, probabilities } }));
  }

  function milliseconds(time) {
    return `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`;
  }

  function answer(probabilities) {
    const order = Array.from(probabilities.keys()).sort((one, other) => probabilities[other] - probabilities[one]);
    const rows = order.slice(0, TOP).map((index) => {
      const row = document.createElement("li");
      const share = probabilities[index];
      const bar = document.createElement("span");
      bar.className = "bar";
      bar.style.width = `${100 * share}%`;
      const label = document.createElement("span");
      label.className = "label";
      label.textContent = options.labels[index];
      const number = document.createElement("span");
      number.className = "share";
      number.textContent = share < 0.001 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`;
      row.append(bar, label, number);
      return row;
    });
    at("answer").replaceChildren(...rows);
  }

  async function show(blob) {
    stopCamera();
    try {
      const image = await pictures.decode(blob);
      URL.revokeObjectURL(at("picture").src);
      at("picture").src = URL.createObjectURL(blob);
      at("picture").alt = blob.name ? `Your picture, ${blob.name}` : "Your picture";
      at("picture").hidden = false;
      at("invitation").hidden = true;
      last?.close();
      last = image;
      await again();
    } catch (error) {
      complain(error);
    }
  }

  async function again() {
    if (!last) return;
    await classify(last);
    say(`Classified on ${runtimes.NAMES[at("backend").value]}.`);
  }

  // The camera

  async function startCamera() {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("Browsers give the camera only to pages from https or from localhost");
    }
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
    } catch (error) {
      throw new Error(error.name === "NotAllowedError" ? "The camera was not allowed" : "No camera was found");
    }
    const video = at("video");
    video.srcObject = stream;
    await video.play();
    video.hidden = false;
    at("picture").hidden = true;
    at("invitation").hidden = true;
    at("camera").textContent = "Stop the camera";
    // Several answers a second are not for reading out.
    at("answer").setAttribute("aria-live", "off");
    say("Classifying what the camera sees.");
    const mine = stream;
    while (stream === mine) {
      await classify(video);
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
  }

  function stopCamera() {
    if (!stream) return;
    stream.getTracks().forEach((track) => track.stop());
    stream = null;
    at("video").hidden = true;
    at("picture").hidden = !last;
    at("invitation").hidden = Boolean(last);
    at("camera").textContent = "Use the camera";
    at("answer").setAttribute("aria-live", "polite");
    say("The camera is off.");
  }

  // What a person does

  function firstPicture(list) {
    const file = Array.from(list ?? []).find(({ type }) => type.startsWith("image/"));
    if (file) show(file);
    else if (list?.length) complain("This is no picture");
  }

  function listen() {
    at("file").addEventListener("change", ({ target }) => {
      firstPicture(target.files);
      target.value = "";
    });
    at("camera").addEventListener("click", () => {
      if (stream) stopCamera();
      else startCamera().catch((error) => (stopCamera(), complain(error)));
    });
    at("backend").addEventListener("change", () => load().then(stream ? () => {} : again).catch(complain));
    at("folder").addEventListener("change", ({ target }) => {
      files = new Map(Array.from(target.files, (file) => [file.name, file]));
      at("by-hand").hidden = true;
      load().then(again).catch((error) => {
        at("by-hand").hidden = false;
        complain(error);
      });
    });
    document.addEventListener("paste", ({ clipboardData }) => firstPicture(clipboardData?.files));
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      document.body.classList.add("dropping");
    });
    document.addEventListener("dragleave", ({ relatedTarget }) => {
      if (!relatedTarget) document.body.classList.remove("dropping");
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      document.body.classList.remove("dropping");
      firstPicture(event.dataTransfer.files);
    });
  }

  async function start() {
    const names = runtimes.available(options);
    at("backend").replaceChildren(...names.map((name) => new Option(runtimes.NAMES[name], name)));
    const wanted = query.get("backend");
    if (wanted && !names.includes(wanted)) {
      throw new Error(`This browser has no backend ${wanted}; it has ${names.join(", ")}`);
    }
    at("backend").value = wanted ?? names[0];
    listen();
    if (location.protocol === "file:") {
      at("by-hand").hidden = false;
      at("progress").hidden = true;
      say("Waiting for the folder.");
      return;
    }
    await load();
    if (query.get("picture")) await show(await pictures.fetched(query.get("picture")));
  }

  start().catch(complain);
})();
