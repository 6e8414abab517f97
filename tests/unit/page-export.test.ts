import { expect, test } from 'vitest';
import { asCode } from '../../app/runs/export/code.js';
import { csvOf } from '../../app/runs/export/csv.js';
import { jsonOf } from '../../app/runs/export/json.js';
import { svgOf } from '../../app/runs/export/svg.js';
import { spread } from '../../app/runs/lines.js';
import { recordOf, runOf } from '../../app/runs/record.js';
import { type About, Run } from '../../app/runs/run.js';
import type { DataConfig } from '../../harness/train/config.js';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';

/* What a run can be taken along as. */

const MARKUP = '<img src=x onerror="alert(1)"> & co';
const { config } = parseTrain([
  '--samples',
  '500',
  '--model',
  '784-8-10',
  '--epochs',
  '2',
  '--batch',
  '40',
]) as TrainCommand;
const about: About = {
  view: 'train',
  name: MARKUP,
  caption: `Adam · ${MARKUP} · ${'long '.repeat(60)}`,
  settings: { seed: '1' },
  link: '#v=2',
  adapter: 'none',
  batchSize: 40,
  stepsPerEpoch: 10,
  totalSteps: 20,
  config,
};

function ended(steps = 20): Run {
  const run = new Run(about);
  for (let step = 1; step <= steps; step++) {
    run.push(step, Math.fround(2 / step), step / 10);
    if (step % 10 === 0) run.test({ step, loss: 1 / step, accuracy: step / 40, seconds: step / 10 });
  }
  run.mark(3, 'lr 0.1');
  run.status = 'done';
  return run;
}

test('the table has a row for each step, with the tests in theirs', () => {
  const [head, ...rows] = csvOf(ended()).trimEnd().split('\n');
  expect(head).toBe('step,epoch,seconds,loss,test loss,accuracy');
  expect(rows).toHaveLength(20);
  expect(rows[0]).toBe('1,0.1,0.1,2,,');
  expect(rows[9]).toBe(`10,1,1,${Math.fround(0.2)},0.1,0.25`);
  expect(csvOf(ended(5000)).split('\n').length).toBeLessThan(2048 + 500 + 3);
});

test('run.json has the configuration and every loss to the bit, and says what it has not', () => {
  const read = JSON.parse(jsonOf(ended()));
  expect(read.config).toEqual(config);
  expect(read.metrics.losses.map(({ loss }: { loss: number }) => loss)).toEqual(
    Array.from({ length: 20 }, (_, i) => Math.fround(2 / (i + 1))),
  );
  expect(read.metrics.losses[10]).toMatchObject({ step: 11, epoch: 1 });
  expect(read.result).toMatchObject({ status: 'done', step: 20, testAccuracy: 0.5 });
  expect(read.changes).toEqual([{ step: 3, text: 'lr 0.1' }]);
});

test('the picture holds no markup of names, and says what the run was', () => {
  const nowhere = /(d|x|y|x1|y1)="[^"]*(NaN|Infinity|undefined)/;
  const svg = svgOf(ended());
  expect(svg).not.toContain('<img');
  expect(svg).toContain('&#60;img');
  expect(svg).toContain('test accuracy 50.00 %');
  expect(svg).not.toMatch(nowhere);
  const empty = svgOf(new Run(about));
  expect(empty).not.toMatch(nowhere);
  const wild = new Run(about);
  for (const [i, loss] of [1e-38, Number.NaN, 1e38, 0].entries()) wild.push(i + 1, loss);
  expect(svgOf(wild)).not.toMatch(nowhere);
});

test('a program names everything that it uses, and holds no text of others outside of comments', () => {
  const code = asCode(about);
  const names = code.match(/import \{ (.*) \} from 'downhill'/)![1]!.split(', ');
  for (const name of names) expect(code.split(name).length, name).toBeGreaterThan(2);
  expect(
    code
      .split('\n')
      .filter((line) => line.includes('onerror'))
      .every((line) => line.startsWith('// ')),
  ).toBe(true);
  const broken = asCode({ ...about, caption: 'one\u2028two\rthree\nprocess.exit(1)' });
  const odd = broken.split(/[\n\r\u2028\u2029]/).filter((line) => /two|three|process/.test(line));
  expect(odd).toEqual(['// one two three process.exit(1)']);
});

test('what is kept of a run is the run, and what is none is left out', () => {
  const run = ended(3000);
  run.name = 'mine';
  run.pinned = true;
  const again = runOf(structuredClone(recordOf(run)))!;
  expect(again.name).toBe('mine');
  expect(again.pinned).toBe(true);
  expect(again.tests).toEqual(run.tests);
  expect(jsonOf(again)).toBe(jsonOf(run));
  expect(again.history.smooth).toEqual(run.history.smooth);
  const record = recordOf(run);
  for (const wrong of [
    null,
    {},
    { ...record, format: 2 },
    { ...record, look: 9 },
    { ...record, history: { ...record.history, steps: record.history.steps.slice(1) } },
    { ...record, about: { ...record.about, view: 'nowhere' } },
  ])
    expect(runOf(wrong)).toBeUndefined();
  const going = new Run(about);
  expect(recordOf(going).status).toBe('stopped'); // read again, it goes on no more
});

test('steps whose losses came back together share the time since the ones before', () => {
  expect(spread([])).toEqual([]);
  expect(spread([1, 1, 3, 3, 3, 3, 4])).toEqual([0.5, 1, 1.5, 2, 2.5, 3, 4]);
});

test('weights that were kept at a pause go with the next step: they are not those the run ends with', () => {
  const run = ended();
  run.weights = new Blob(['at the pause']);
  expect(recordOf(run).weights).toBe(run.weights);
  run.push(21, 0.1);
  expect(run.weights).toBeUndefined();
  expect(recordOf(run)).not.toHaveProperty('weights');
});

test('a file whose name breaks the line stays one text of the program', () => {
  const data: DataConfig = {
    kind: 'csv',
    file: 'a\r\u2028fetch("//x")\n.csv',
    target: ['kind'],
    ignore: [],
    missing: 'refuse',
  };
  const code = asCode({ ...about, config: { ...config, data } });
  expect(code).toContain(`fetch('a fetch("//x") .csv')`);
});
