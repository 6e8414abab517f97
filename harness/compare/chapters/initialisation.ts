/** What initialisations make of activations, and of the training. */
import { type Init, inspect, type Model } from '../../../src/index.js';
import { lossText } from '../../common/format.js';
import { OPTIMIZERS } from '../../common/optimizers.js';
import type { Chapter, Lab, Outcome } from '../chapter.js';
import { ALONG, lossCurves } from '../curves.js';
import { endLoss } from '../ends.js';
import { lectureNet } from '../network.js';
import type { RunSpec } from '../runs.js';
import { median } from '../smooth.js';

const BATCH = 64;
const LR = 0.05;
/** Samples that are shown to the network before training. */
const SHOWN = 256;

/** Standard deviations around the one that keeps the signal: He's with these gains (√2 is its own). */
const STARTS: readonly { readonly name: string; readonly init: Init; readonly gain?: number }[] = [
  { name: 'too small (gain 0.3)', init: 'he-normal', gain: 0.3 },
  { name: 'Xavier', init: 'xavier-normal' },
  { name: 'He', init: 'he-normal' },
  { name: 'too large (gain 5)', init: 'he-normal', gain: 5 },
];

export const initialisation: Chapter = {
  name: 'initialisation',
  title: 'Initialisation: vanishing, healthy, exploding',
  claim:
    'Weights that are too small make the signal vanish from layer to layer, too large ones make it explode; He’s keeps it level under ReLU, and ' +
    'the training starts at once.',
  usual: { images: 60_000, iterations: 1000, seeds: 1 },
  quick: { images: 1000, iterations: 80, seeds: 1 },
  plan: (_, { iterations }) => ({ largestBatch: BATCH, run: (lab) => run(lab, iterations) }),
};

/** Of each hidden layer's outputs at the start, medians over the seeds. */
async function deviations(lab: Lab, model: Model): Promise<number[]> {
  const batchSize = Math.min(SHOWN, lab.train.samples);
  const all: number[][] = [];
  for (let seed = 0; seed < lab.amounts.seeds; seed++) {
    const { layers } = await inspect(lab.device, { model, data: lab.train, seed, batchSize });
    all.push(layers.filter(({ name }) => name === 'relu').map(({ output }) => output.std));
  }
  return all[0]!.map((_, layer) => median(all.map((own) => own[layer]!)));
}

async function run(lab: Lab, steps: number): Promise<Outcome> {
  const models = STARTS.map(({ init, gain }) => lectureNet(lab.train, { init, ...(gain !== undefined && { gain }) }));
  const spread: number[][] = [];
  for (const model of models) spread.push(await deviations(lab, model));
  const specs = STARTS.map(
    ({ name }, i): RunSpec => ({
      ...{ name, model: models[i]!, steps, sampling: 'shuffle', batchSize: BATCH },
      rule: () => OPTIMIZERS.sgd!.make(LR),
    }),
  );
  const trained = await lab.runs(specs);
  const ends = trained.map((each) => endLoss(each));
  const ratio = spread.map((own) => (own.at(-1) ?? 0) / (own[0] ?? 1));
  const [small, , he, large] = ratio as [number, number, number, number];
  return {
    panels: [
      {
        title: 'Deviation of hidden layers’ outputs at the start',
        ...{ x: 'hidden layer', y: 'deviation', logY: true },
        curves: STARTS.map(({ name }, i) => ({ name, x: spread[i]!.map((_, layer) => layer + 1), y: spread[i]! })),
      },
      {
        title: `Training loss, SGD with rate ${LR}`,
        x: ALONG.step,
        y: 'loss',
        logY: lab.log !== false,
        curves: lossCurves(trained),
      },
    ],
    table: [
      ['', 'first layer', 'last layer', 'ratio', 'first loss', 'training loss, last tenth'],
      ...STARTS.map(({ name }, i) => [
        name,
        spread[i]![0]?.toPrecision(3),
        spread[i]!.at(-1)?.toPrecision(3),
        ratio[i]!.toPrecision(2),
        trained[i]?.runs[0]?.losses[0],
        ends[i],
      ]),
    ],
    claims: [
      {
        text: 'the signal vanishes with small weights, explodes with large ones, and stays level with He’s',
        holds: small < 0.1 && large > 10 && he > 0.3 && he < 3,
        measured: `from the first layer to the last times ${[small, he, large].map((each) => each.toPrecision(2)).join(', ')}`,
      },
      ...(ends.some((each) => each === undefined)
        ? []
        : [
            {
              text: 'He’s trains faster than what vanishes and what explodes',
              holds: ends[2]! < ends[0]! && !(ends[3]! <= ends[2]!),
              measured: [ends[2], ends[0], ends[3]].map((each) => lossText(each!)).join(', '),
            },
          ]),
    ],
    notes: [
      `Shown ${Math.min(SHOWN, lab.train.samples)} images. ReLU throughout; Xavier’s is right for tanh, and loses a factor √2 a layer here.`,
    ],
  };
}
