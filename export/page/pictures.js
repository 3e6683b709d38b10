"use strict";

// Pictures of every kind that a browser knows, from a file or a camera, as the pixels that the network takes.
const pictures = (() => {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });

  // Turned upright as its EXIF data say. The colours are those of the file, without its colour profile, as in
  // training; this is also what keeps the browser from changing them.
  async function decode(blob) {
    try {
      return await createImageBitmap(blob, { imageOrientation: "from-image", colorSpaceConversion: "none" });
    } catch {
      throw new Error("This is no picture that this browser can read");
    }
  }

  async function fetched(address) {
    const response = await fetch(address);
    if (!response.ok) throw new Error(`${address} could not be loaded (${response.status})`);
    return response.blob();
  }

  // RGB bytes [height, width, 3] of an image or of a video's current frame.
  function networkPixels(source, record) {
    const width = source.videoWidth ?? source.width;
    const height = source.videoHeight ?? source.height;
    const window = pixels.centerWindow(width, height, record);
    const read = (y, rows) => {
      // A canvas whose size is set is empty.
      canvas.width = window.width;
      canvas.height = rows;
      context.drawImage(source, window.x, window.y + y, window.width, rows, 0, 0, window.width, rows);
      return context.getImageData(0, 0, window.width, rows).data;
    };
    return pixels.resize(read, window, record);
  }

  // Draw RGB bytes, as large as they are.
  function show(bytes, [height, width], target) {
    target.width = width;
    target.height = height;
    const image = new ImageData(width, height);
    for (let from = 0, to = 0; from < bytes.length; from += 3, to += 4) {
      image.data.set([bytes[from], bytes[from + 1], bytes[from + 2], 255], to);
    }
    target.getContext("2d").putImageData(image, 0, 0);
  }

  return { decode, fetched, networkPixels, show };
})();
