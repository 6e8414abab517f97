/** An image as decoders give it: 4 bytes per pixel (red, green, blue, opacity), row by row. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** For each output place, the first input place that counts and the weights from there on. */
function weightsOf(from: number, to: number): { first: number; weights: Float64Array }[] {
  const ratio = from / to;
  const support = Math.max(ratio, 1);
  return Array.from({ length: to }, (_, i) => {
    const center = (i + 0.5) * ratio;
    const first = Math.max(Math.ceil(center - support - 0.5), 0);
    const last = Math.min(Math.floor(center + support - 0.5), from - 1);
    const weights = Float64Array.from({ length: last - first + 1 }, (_, j) =>
      Math.max(1 - Math.abs(first + j + 0.5 - center) / support, 0),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/**
 * Pixels of one size as grey or coloured bytes of another: [height, width, channels], opaque before black.
 *
 * Grey is 0.299 red + 0.587 green + 0.114 blue. Resized by a triangle filter as wide as the pixels of the smaller image
 * (Pillow's BILINEAR): down it averages, up it interpolates. Images keep their proportions only where the sizes do.
 */
export function resize(
  { width, height, data }: Pixels,
  [rows, columns]: readonly [number, number],
  channels: 1 | 3,
  into: Uint8Array,
): void {
  const plane = new Float64Array(width * height * channels);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const opacity = data[4 * pixel + 3]! / 255;
    const [red, green, blue] = [data[4 * pixel]!, data[4 * pixel + 1]!, data[4 * pixel + 2]!];
    if (channels === 1) {
      plane[pixel] = (0.299 * red + 0.587 * green + 0.114 * blue) * opacity;
      continue;
    }
    plane[3 * pixel] = red * opacity;
    plane[3 * pixel + 1] = green * opacity;
    plane[3 * pixel + 2] = blue * opacity;
  }
  const [was, is] = [width * channels, columns * channels];
  const across = filter(plane, channels, {
    lines: height,
    from: width,
    to: columns,
    step: channels,
    line: was,
    outLine: is,
  });
  const down = filter(across, channels, {
    lines: columns,
    from: height,
    to: rows,
    step: is,
    line: channels,
    outLine: channels,
  });
  for (let i = 0; i < into.length; i++) into[i] = Math.min(255, Math.max(0, Math.round(down[i]!)));
}

/** Lines of places along one axis of a plane: how many there were and will be, and how many values they are apart. */
interface Axis {
  readonly lines: number;
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly line: number;
  readonly outLine: number;
}

/** Resizes one axis; one that keeps its size is as it was. */
function filter(plane: Float64Array, channels: number, { lines, from, to, step, line, outLine }: Axis): Float64Array {
  if (from === to) return plane;
  const weights = weightsOf(from, to);
  const out = new Float64Array(lines * to * channels);
  for (let l = 0; l < lines; l++) {
    for (const [i, { first, weights: own }] of weights.entries()) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let j = 0; j < own.length; j++) sum += own[j]! * plane[l * line + (first + j) * step + channel]!;
        out[l * outLine + i * step + channel] = sum;
      }
    }
  }
  return out;
}
