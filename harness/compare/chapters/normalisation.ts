/** Inputs as they are, centred, standardised; and batch norm. */
import { type Dataset, type MlpOptions, standardize, statistics } from '../../../src/index.js';
import { OPTIMIZERS } from '../../common/optimizers.js';
import type { Chapter, Lab, Outcome } from '../chapter.js';
import { ALONG, lookedCurves, lossCurves } from '../curves.js';
import { below, END_TITLES, endCells, endLoss } from '../ends.js';
import { lectureNet } from '../network.js';
import type { RunSpec } from '../runs.js';

const BATCH = 64;
const LR = 0.05;
const FASTER = 10;

interface Way {
  readonly name: string;
  readonly data: readonly [train: Dataset, test: Dataset];
  readonly options?: Partial<MlpOptions>;
  readonly lr?: number;
}

export const normalisation: Chapter = {
  name: 'normalisation',
  title: 'Normalising the inputs, and the layers',
  claim:
    'Centred and standardised inputs make the surface rounder, so that the same rate gets further; batch norm does so for every layer.',
  usual: { images: 60_000, iterations: 1000, seeds: 1 },
  quick: { images: 1000, iterations: 80, seeds: 1 },
  plan: (_, { iterations }) => ({ largestBatch: BATCH, run: (lab) => run(lab, iterations) }),
};

/** Both parts, with what the network sees of a raw value as given. */
const seen = ({ train, test }: Lab, scale: Dataset['scale'], shift: Dataset['shift']) =>
  [train, test].map((part) => Object.freeze({ ...part, scale, shift })) as unknown as readonly [Dataset, Dataset];

function waysOf(lab: Lab): Way[] {
  const scale = lab.train.x instanceof Uint8Array ? 1 / 255 : 1;
  const raw = seen(lab, scale, 0);
  const known = statistics(raw[0]);
  const shift = typeof known.mean === 'number' ? -known.mean : known.mean.map((each) => -each);
  const standard = [standardize(raw[0], known), standardize(raw[1], known)] as const;
  return [
    { name: 'raw, from 0 to 1', data: raw },
    { name: 'centred', data: seen(lab, scale, shift) },
    { name: 'standardised', data: standard },
    { name: 'raw, batch norm', data: raw, options: { norm: 'batch' } },
    { name: 'standardised, batch norm', data: standard, options: { norm: 'batch' } },
    { name: 'standardised, fast', data: standard, lr: FASTER * LR },
    { name: 'standardised, batch norm, fast', data: standard, options: { norm: 'batch' }, lr: FASTER * LR },
  ];
}

async function run(lab: Lab, steps: number): Promise<Outcome> {
  const specs = waysOf(lab).map(
    ({ name, data: [data, test], options, lr = LR }): RunSpec => ({
      ...{ name, data, test, model: lectureNet(lab.train, options), steps, sampling: 'shuffle', batchSize: BATCH },
      ...{ rule: () => OPTIMIZERS.sgd!.make(lr), testEvery: Math.max(1, Math.round(steps / 10)) },
      options: { dropLast: true },
    }),
  );
  const trained = await lab.runs(specs);
  const [raw, centred, standard, rawNorm, norm, fast, fastNorm] = trained.map((each) => endLoss(each));
  return {
    panels: [
      { title: 'Training loss, SGD', x: ALONG.step, y: 'loss', logY: lab.log !== false, curves: lossCurves(trained) },
      {
        title: 'Accuracy on the test part',
        x: ALONG.step,
        y: 'accuracy',
        curves: lookedCurves(trained, ({ tests }) => tests, 'accuracy'),
      },
    ],
    table: [['', ...END_TITLES], ...trained.map((each) => [each.spec.name, ...endCells(each)])],
    claims: [
      ...below('centred is faster than raw', centred, raw),
      ...below('standardised is faster than centred', standard, centred),
      ...below('on raw inputs batch norm is faster at the same rate', rawNorm, raw),
      ...below('on standardised ones, too', norm, standard),
      ...below(`at ${FASTER} times the rate batch norm still learns, better than without it`, fastNorm, fast),
    ],
    notes: [`SGD with rate ${LR}; ${FASTER * LR} where the name says fast.`],
  };
}
