"use strict";

// From the pixels of a picture to those that the network takes, as the preprocessing record says.
//
// Browsers resize in ways of their own, which differ between them and from what the network was trained on. So the
// pixels are resized here, by the arithmetic of the Python package: within one grey level of it.
const pixels = (() => {
  // Rows that are read at a time: a picture of 100 megapixels fits no canvas of a phone, its strips do.
  const STRIP = 2 ** 20;

  function cubic(x, a) {
    x = Math.abs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
  }

  // Each returns for an axis, `from` pixels long, which pixels make the pixel `index` of `to`: the first one, and
  // the weight of it and of those that follow.

  function antialiased(radius, kernel) {
    return (from, to, index) => {
      const scale = from / to;
      const stretch = Math.max(scale, 1);
      const center = (index + 0.5) * scale;
      const first = Math.max(0, Math.trunc(center - radius * stretch + 0.5));
      const end = Math.min(from, Math.trunc(center + radius * stretch + 0.5));
      const weights = Array.from({ length: end - first }, (_, tap) => kernel((first + tap - center + 0.5) / stretch));
      const sum = weights.reduce((total, weight) => total + weight, 0);
      return { first, weights: weights.map((weight) => weight / sum) };
    };
  }

  function bilinear(from, to, index) {
    const place = (index + 0.5) * (from / to) - 0.5;
    const below = Math.floor(place);
    return clamped(below, [1 - (place - below), place - below], from);
  }

  function tf1Bicubic(from, to, index) {
    const place = Math.fround(index * Math.fround(from / to));
    const below = Math.floor(place);
    const step = Math.round((place - below) * 1024) / 1024;
    return clamped(below - 1, [-1 - step, -step, 1 - step, 2 - step].map((x) => cubic(x, -0.75)), from);
  }

  // What lies beyond an edge is the pixel at the edge.
  function clamped(first, weights, length) {
    const start = Math.min(Math.max(first, 0), length - 1);
    const kept = [];
    weights.forEach((weight, tap) => {
      const place = Math.min(Math.max(first + tap, 0), length - 1) - start;
      kept[place] = (kept[place] ?? 0) + weight;
    });
    return { first: start, weights: kept };
  }

  const INTERPOLATIONS = {
    bicubic: antialiased(2, (x) => cubic(x, -0.5)),
    bilinear: antialiased(1, (x) => Math.max(0, 1 - Math.abs(x))),
    tf2_bilinear: bilinear,
    tf1_bicubic: tf1Bicubic,
  };

  function byte(value) {
    return value <= 0 ? 0 : value >= 255 ? 255 : Math.floor(value + 0.5);
  }

  // The part of a picture that the network sees: {x, y, width, height}.
  function centerWindow(width, height, record) {
    if (record.crop === "none") return { x: 0, y: 0, width, height };
    const [targetHeight, targetWidth] = record.image_size;
    const size = Math.min(targetHeight, targetWidth);
    const fraction = size / (size + record.crop_padding);
    const side = (length) => Math.max(1, Math.trunc(length));
    const cropHeight = side(fraction * Math.min(height, width * (targetHeight / targetWidth)));
    const cropWidth = side(fraction * Math.min(width, height * (targetWidth / targetHeight)));
    return {
      x: Math.floor((width - cropWidth + 1) / 2),
      y: Math.floor((height - cropHeight + 1) / 2),
      width: cropWidth,
      height: cropHeight,
    };
  }

  // `read(y, rows)` returns rows of the window as RGBA bytes; the result is RGB bytes [height, width, 3].
  function resize(read, window, record) {
    const [height, width] = record.image_size;
    const taps = INTERPOLATIONS[record.interpolation];
    const columns = Array.from({ length: width }, (_, index) => taps(window.width, width, index));
    // Pillow, whose bicubic the record means, keeps bytes between the two passes.
    const bytes = record.interpolation === "bicubic";
    const row = width * 3;
    const narrow = new (bytes ? Uint8Array : Float32Array)(window.height * row);
    const rows = Math.max(1, Math.floor(STRIP / window.width));
    for (let y = 0; y < window.height; y += rows) {
      const count = Math.min(rows, window.height - y);
      const strip = read(y, count);
      for (let line = 0; line < count; line += 1) {
        narrowLine(strip, line * window.width * 4, columns, narrow, (y + line) * row, bytes);
      }
    }
    const result = new Uint8Array(height * row);
    const sums = new Float64Array(row);
    for (let line = 0; line < height; line += 1) {
      const { first, weights } = taps(window.height, height, line);
      sums.fill(0);
      weights.forEach((weight, tap) => {
        const start = (first + tap) * row;
        for (let place = 0; place < row; place += 1) sums[place] += weight * narrow[start + place];
      });
      for (let place = 0; place < row; place += 1) result[line * row + place] = byte(sums[place]);
    }
    return result;
  }

  function narrowLine(strip, start, columns, narrow, target, bytes) {
    for (const { first, weights } of columns) {
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let tap = 0, place = start + first * 4; tap < weights.length; tap += 1, place += 4) {
        const weight = weights[tap];
        red += weight * strip[place];
        green += weight * strip[place + 1];
        blue += weight * strip[place + 2];
      }
      narrow[target] = bytes ? byte(red) : red;
      narrow[target + 1] = bytes ? byte(green) : green;
      narrow[target + 2] = bytes ? byte(blue) : blue;
      target += 3;
    }
  }

  return { centerWindow, resize };
})();
