// What the host decides: where splats begin, which go, which are split, and where new ones come.
import { FIELDS, WORDS } from './kernels.js';

const logit = (p) => Math.log(p / (1 - p));
const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** 10·log10(1/mean square error), in dB, of values in 0 … 1. */
export function psnr(drawn, pixels) {
  const squares = pixels.reduce((sum, goal, i) => sum + (Math.min(1, Math.max(0, drawn[i])) - goal) ** 2, 0);
  return 10 * Math.log10(pixels.length / squares);
}

/** A record: round, of radius `sigma` pixels, half opaque. */
function record(x, y, sigma, colour) {
  const values = new Float32Array(WORDS);
  values.set([x, y], FIELDS.position);
  values.set([Math.log(sigma), Math.log(sigma)], FIELDS.scale);
  values.set([...colour, logit(0.5)], FIELDS.colour);
  return values;
}

const concat = (records) => Float32Array.from(records.flatMap((each) => [...each]));

/** A grid of `count` splats or nearly as many, in the picture's colours. The rest of `count` lie on its first ones. */
export function firstSplats({ width, height, pixels }, count) {
  const columns = Math.ceil(Math.sqrt((count * width) / height));
  const rows = Math.ceil(count / columns);
  const sigma = (0.5 * width) / columns;
  const records = Array.from({ length: count }, (_, i) => {
    const x = ((i % columns) + 0.5) * (width / columns);
    const y = (Math.floor(i / columns) + 0.5) * (height / rows);
    const at = 3 * (Math.floor(y) * width + Math.floor(x));
    return record(x, y, sigma, pixels.subarray(at, at + 3));
  });
  return concat(records);
}

/** The `fresh` pixels where the picture is worst, no two within 3 pixels, as small splats of the colour that is missing. */
function missing({ width, pixels }, drawn, fresh) {
  const error = (i) => [0, 1, 2].map((k) => pixels[3 * i + k] - drawn[3 * i + k]);
  const worth = Float32Array.from({ length: pixels.length / 3 }, (_, i) => Math.hypot(...error(i)));
  const order = [...worth.keys()].sort((a, b) => worth[b] - worth[a]);
  const chosen = [];
  for (const i of order) {
    const [x, y] = [(i % width) + 0.5, Math.floor(i / width) + 0.5];
    if (chosen.length === fresh) break;
    if (chosen.every((other) => Math.hypot(other[0] - x, other[1] - y) > 3)) chosen.push(record(x, y, 1.5, error(i)));
  }
  return chosen;
}

/**
 * Weak splats go; of the others the tenth whose positions are pulled most (by Adam's own second moment) become two halves, as
 * in 3-D Gaussian splatting (Kerbl et al. 2023); a tenth comes where the picture is worst (as in Image-GS, Zhang et al. 2025).
 *
 * @returns which old splat each of the next ones was, how many come behind them, whose state starts anew, and all records
 */
export function replan(target, { records, drawn }, pulls, room) {
  const count = records.length / WORDS;
  const of = (i) => records.slice(WORDS * i, WORDS * (i + 1));
  const strength = (each) => sigmoid(each[FIELDS.opacity]) * Math.max(...each.subarray(4, 7).map(Math.abs));
  const alive = [...Array(count).keys()].filter((i) => strength(of(i)) > 0.02);
  const pull = (i) => pulls[2 * i] + pulls[2 * i + 1];
  const some = Math.min(Math.ceil(count / 10), Math.floor((room - alive.length) / 2));
  const parents = [...alive].sort((a, b) => pull(b) - pull(a)).slice(0, some);
  const fresh = missing(target, drawn, some);

  const rows = [...alive, ...parents]; // a parent's row, and one behind all, are its halves
  const next = rows.map(of);
  const halves = parents.flatMap((parent, k) => [alive.indexOf(parent), alive.length + k]);
  for (const [i, half] of halves.entries()) halve(next[half], i % 2 === 0 ? -1 : 1);

  // Neighbours in the picture are neighbours in memory: a mask spares whole workgroups then, not single lanes.
  const order = [...next.keys()].sort((a, b) => placeOf(next[a]) - placeOf(next[b]));
  const anew = new Set(halves);
  return {
    kept: order.map((i) => rows[i]),
    started: [...order.keys()].filter((place) => anew.has(order[place])),
    fresh: fresh.length,
    records: concat([...order.map((i) => next[i]), ...fresh]),
  };
}

/** Along a curve that fills quarter after quarter (Morton's): the bits of x and y in turn. */
function placeOf(splat) {
  const [x, y] = splat.subarray(FIELDS.position).map((value) => Math.max(0, value));
  let place = 0;
  for (let bit = 0; bit < 12; bit++) place |= (((x >> bit) & 1) | (((y >> bit) & 1) << 1)) << (2 * bit);
  return place;
}

/** Moves a splat along its longer axis by half of σ, and makes it smaller by 1.6. */
function halve(splat, side) {
  const along = splat[FIELDS.scale] >= splat[FIELDS.scale + 1] ? 0 : 1;
  const turn = splat[FIELDS.angle] + (along * Math.PI) / 2;
  const by = (side * Math.exp(splat[FIELDS.scale + along])) / 2;
  splat[FIELDS.position] += by * Math.cos(turn);
  splat[FIELDS.position + 1] += by * Math.sin(turn);
  splat[FIELDS.scale + along] -= Math.log(1.6);
}

/** Hills before an evening sky, a sun and a striped sail: gradients, round and straight edges. */
export function drawnPicture(width, height) {
  const pixels = new Float32Array(3 * width * height);
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [((i % width) + 0.5) / width, (Math.floor(i / width) + 0.5) / height];
    let colour = [0.25 + 0.6 * y, 0.35 + 0.25 * y, 0.65 - 0.2 * y]; // sky
    if (Math.hypot(x - 0.7, y - 0.3) < 0.15) colour = [1, 0.85, 0.4];
    if (y > 0.6 + 0.08 * Math.sin(9 * x)) colour = [0.1 + 0.2 * x, 0.45 - 0.2 * y, 0.25];
    if (x > 0.15 && x < 0.45 && y > 0.2 && y < 0.75 && (x - 0.15) * 1.8 < y - 0.2)
      colour = Math.floor(20 * y) % 2 ? [0.95, 0.95, 0.9] : [0.8, 0.2, 0.2];
    pixels.set(colour, 3 * i);
  }
  return { width, height, pixels };
}
