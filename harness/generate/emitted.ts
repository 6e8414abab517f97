import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { ruleParts } from './emit.js';
import { emitBackward } from './emit-backward.js';
import { emitGradient, type GradientSizes } from './emit-gradient.js';
import { emitStationary } from './emit-stationary.js';
import { type ChainSizes, emitChain } from './emit-step.js';
import { emitTiles } from './emit-tile.js';

/*
 * Kernels whose registers are written out, since WGSL cannot size a function's arrays by overrides and Tint does not unroll
 * loops: the same text over and over, with other numbers. Each is a module of its own under src/shaders, checked in, and
 * validated and tested like what is written by hand.
 */

/** By lanes: a batch's rows in blocks of 64, for small batches of 8. */
const GRADIENTS: readonly GradientSizes[] = [
  { lanes: 8, rows: 64, quads: 2, sums: 1 },
  { lanes: 4, rows: 64, quads: 2, sums: 1 },
];
const CHAINS: readonly ChainSizes[] = [
  { lanes: 8, rows: 4, block: 112 },
  { lanes: 8, rows: 1, block: 112 },
  { lanes: 4, rows: 4, block: 56 },
];
const LOSSES = ['softmax_cross_entropy', 'binary_cross_entropy', 'mse', 'l1', 'huber'];

const chainName = (loss: string, { lanes, rows }: ChainSizes, weighted = false) =>
  `nn/${loss}${weighted ? '_weighted' : ''}_chain_${lanes}x${rows}`;
const gradientName = (name: string, { lanes }: GradientSizes) => `${name}_gradient_${lanes}`;
const backwardName = (name: string) => `${name}_gradient_tile`;
const endingName = (name: string, { lanes }: GradientSizes) => `${name}_ending_${lanes}`;

/** What carries a kernel's functions, by what it does. */
export function carriedFrom(name: string): Readonly<Record<string, string>> {
  if (LOSSES.includes(basename(name)) && name.startsWith('nn/')) {
    const loss = basename(name);
    return Object.fromEntries(
      CHAINS.flatMap((sizes) => {
        const chain = `chain-${sizes.lanes}x${sizes.rows}`;
        const weighted = [`weighted-${chain}`, chainName(loss, sizes, true)];
        return [[chain, chainName(loss, sizes)], ...(weighs(read(name)) ? [weighted] : [])];
      }),
    );
  }
  if (!rules().includes(name)) return {};
  return {
    ...Object.fromEntries(
      GRADIENTS.flatMap((sizes) => [
        [`gradient-${sizes.lanes}`, gradientName(name, sizes)],
        [`ending-${sizes.lanes}`, endingName(name, sizes)],
      ]),
    ),
    'gradient-tile': backwardName(name),
  };
}

const root = resolve(import.meta.dirname ?? '.', '../..');
const read = (name: string) => readFileSync(join(root, 'shaders', `${name}.wgsl`), 'utf8');

/** Whether a loss may weigh its classes or outputs. */
const weighs = (loss: string) => /var<storage, read> weights\b/.test(loss);

/** A loss without its weights, whose bindings would be the 11th and 12th of a chain: Chrome gives a kernel 10 storage buffers. */
const unweighted = (loss: string) =>
  loss.replace(/^.*(\bif \(WEIGHTED\b|var<storage, read> (weights|mean_weight)\b).*\n/gm, '');

/** Files that hold a rule. */
const rules = () =>
  readdirSync(join(root, 'shaders/optim'))
    .filter((file) => file.endsWith('.wgsl'))
    .map((file) => `optim/${basename(file, '.wgsl')}`)
    .filter((name) => ruleParts(name, read(name)) !== undefined);

/** The texts by their names: 'nn/mse_chain_8x4'. */
export function emitted(): Readonly<Record<string, string>> {
  const carried = { activation: read('nn/activation'), activationGradient: read('nn/activation_gradient') };
  const texts: Record<string, string> = { ...emitTiles(), ...emitStationary(carried) };
  for (const name of LOSSES) {
    const loss = read(`nn/${name}`);
    for (const sizes of CHAINS) {
      texts[chainName(name, sizes)] = emitChain({ ...carried, loss: unweighted(loss) }, sizes);
      if (weighs(loss)) texts[chainName(name, sizes, true)] = emitChain({ ...carried, loss }, sizes);
    }
  }
  for (const name of rules()) texts[backwardName(name)] = emitBackward(ruleParts(basename(name), read(name))!);
  const account = read('data/account');
  for (const sizes of GRADIENTS) {
    texts[gradientName('nn/dense', sizes)] = emitGradient(undefined, sizes);
    for (const name of rules()) {
      const parts = ruleParts(basename(name), read(name))!;
      texts[gradientName(name, sizes)] = emitGradient(parts, sizes);
      texts[endingName(name, sizes)] = emitGradient(parts, sizes, { account });
    }
  }
  return texts;
}
