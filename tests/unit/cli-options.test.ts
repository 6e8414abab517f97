import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { flagOf, opposite } from '../../harness/common/flag-names.js';
import { COMMAND_RULES, SETTINGS } from '../../harness/common/settings.js';
import { showHyper, type TrainConfig } from '../../harness/train/config.js';
import { checkFit, knownShape } from '../../harness/train/data.js';
import { trainHelp } from '../../harness/train/help.js';
import { modelOf } from '../../harness/train/model.js';
import { FLAGS, hyperFlags, parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { profiledSteps, runSteps, SCHEDULES, scheduleOf } from '../../harness/train/schedule.js';
import { DownhillError, rules } from '../../src/index.js';

const rows = Object.values(COMMAND_RULES).map(({ row }) => row);

function parse(line: string): TrainCommand {
  const command = parseTrain(line === '' ? [] : line.split(' '));
  if (command === 'help') throw new Error('asked for help');
  return command;
}
const configOf = (line: string): TrainConfig => parse(line).config;

function errorOf(line: string): DownhillError {
  try {
    parse(line);
  } catch (error) {
    if (error instanceof DownhillError) return error;
    throw error;
  }
  throw new Error(`accepted: ${line}`);
}

describe('a rule that looks at several points', () => {
  it('goes through all data in every step, until it ends by itself, unless it is told otherwise', () => {
    const { sampling, steps, batchSize, optimizer } = configOf('--optimizer lbfgs --history 5 --line-search armijo');
    expect({ sampling, steps, batchSize }).toEqual({ sampling: 'full', steps: 200, batchSize: undefined });
    expect(optimizer).toMatchObject({ name: 'lbfgs', hyper: { history: 5, lineSearch: 'armijo', trials: 4 } });
    expect(configOf('--optimizer lbfgs --epochs 3')).toMatchObject({ epochs: 3, sampling: 'full' });
    const mini = configOf('--optimizer lbfgs --stochastic --batch 500');
    expect(mini).toMatchObject({ sampling: 'shuffle', batchSize: 500, epochs: SETTINGS.epochs.default });
  });

  it('is refused what it has no use for, before anything is opened', () => {
    expect(errorOf('--optimizer lbfgs --history 0').code).toBe('HYPER-RANGE');
    expect(errorOf('--optimizer lbfgs --momentum 0.9').code).toBe('HYPER-UNKNOWN');
    expect(errorOf('--optimizer lbfgs --schedule cosine').message).toContain('length of each step');
    expect(errorOf('--optimizer lbfgs --batch 64').message).toMatch(/With --optimizer lbfgs .* or add --stochastic\.$/);
    expect(errorOf('--optimizer newtonCg --batch 64').fix).toBe('Leave out --batch.');
    expect(errorOf('--sampling full --batch 64').message).toContain('With --sampling full every batch');
  });
});

describe('flags of downhill train', () => {
  it('have defaults: the main job', () => {
    const { config, out, json, force } = parse('');
    expect(config).toEqual({
      data: { kind: 'digits', samples: 10_000 },
      scale: 'standard',
      model: {
        sizes: [784, 100, 100, 100, 100, 10],
        activation: 'relu',
        init: 'he-normal',
        loss: 'softmax-cross-entropy',
      },
      optimizer: { name: 'adam', hyper: rules.adam().hyper },
      batchSize: 64,
      sampling: 'shuffle',
      epochs: 10,
      seed: 0,
      in: 'node',
    });
    expect({ out, json, force }).toEqual({ out: undefined, json: false, force: false });
  });

  it('make a configuration that survives JSON', () => {
    const config = configOf('--optimizer sgd --momentum 0.9 --nesterov --sampling full --steps 5');
    expect(JSON.parse(JSON.stringify(config))).toEqual(config);
  });

  it('say what each source is; the page says what its files may be', () => {
    expect(trainHelp().replace(/\s+/g, ' ')).toContain('idx:DIR (a folder with IDX files, such as MNIST)');
    expect(SETTINGS.data.words.files).toBe('a table (CSV), a folder of images, or IDX files such as MNIST');
  });

  it('set the gain of the weights', () => {
    expect(configOf('--gain 1.41').model.gain).toBe(1.41);
    expect(configOf('--gain auto --init he-normal').model.gain).toBe('auto');
    expect(errorOf('--gain big')).toMatchObject({
      code: 'OPTION-RANGE',
      message: expect.stringMatching(/--gain must be/),
    });
    expect(errorOf('--gain -1').code).toMatch(/^OPTION/);
  });

  it('leave the short last batch of an epoch out', () => {
    const config = configOf('--drop-last --epochs 3 --batch 64');
    expect(config.dropLast).toBe(true);
    expect([runSteps(config, 100), runSteps(config, 63), runSteps(configOf('--epochs 3'), 100)]).toEqual([3, 3, 6]);
  });

  it('draw points of the plane, with a network of their form', () => {
    const { data, model } = configOf('--data spirals --noise 0.1');
    expect(data).toEqual({ kind: 'spirals', samples: 1000, noise: 0.1 });
    expect(model.sizes).toEqual([2, 100, 100, 100, 100, 2]);
    const config = configOf('--data xor --points 50 --model 2-4-2 --batch 32');
    expect(config.model.sizes).toEqual([2, 4, 2]);
    expect(knownShape(config)).toEqual({ train: 40, test: 10, features: 2, classes: 2 });
    checkFit(config, knownShape(config)!);
  });

  it('hold out a validation part, and say when it stops the run', () => {
    const validation = (line: string) => configOf(`--validation 0.1 ${line}`.trim()).validation;
    expect(validation('')).toEqual({ share: 0.1, every: { epochs: 1 } });
    expect(validation('--validate-every 50')).toEqual({ share: 0.1, every: { batches: 50 } });
    expect(validation('--validate-every 2epochs')).toEqual({ share: 0.1, every: { epochs: 2 } });
    expect(validation('--patience 3 --stop-metric accuracy')).toEqual({
      share: 0.1,
      every: { epochs: 1 },
      stopping: { patience: 3, metric: 'accuracy' },
    });
    const shape = knownShape(configOf('--validation 0.25 --samples 1000'))!;
    expect(shape).toMatchObject({ train: 600, validation: 200, test: 200 });
    for (const line of [
      '--patience 3',
      '--validate-every 5',
      '--validation 1',
      '--validation x',
      '--validation 0.1 --validate-every 0',
      '--validation 0.1 --validate-every 0epochs',
      '--validation 0.1 --validate-every often',
      '--validation 0.1 --patience -1',
      '--validation 0.1 --stop-metric accuracy',
    ])
      expect(errorOf(line).code, line).toMatch(/^OPTION-(RANGE|TYPE)$/);
    const mse = configOf('--validation 0.1 --patience 2 --stop-metric accuracy --loss mse');
    expect(() => checkFit(mse, knownShape(mse)!)).toThrow(/mse gives loss and mse/);
  });

  it('set what they say', () => {
    const config = configOf(
      '--optimizer sgd --lr=0.1 --momentum 0.9 --nesterov --model 16-8-4 --activation tanh --seed 7',
    );
    expect(config.optimizer.hyper).toMatchObject({ lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0 });
    expect(config.model).toMatchObject({ sizes: [16, 8, 4], activation: 'tanh' });
    expect(config.seed).toBe(7);
    expect(configOf('--betas 0.8,0.99').optimizer.hyper.betas).toEqual([0.8, 0.99]);
    expect(configOf('--optimizer adan --betas 0.9,0.8,0.7').optimizer.hyper.betas).toEqual([0.9, 0.8, 0.7]);
    expect(configOf('--data fashion-mnist').data).toEqual({ kind: 'named', name: 'fashion-mnist' });
    expect(configOf('--data idx:some/where').data).toEqual({ kind: 'idx', folder: resolve('some/where') });
    expect(configOf('--steps 20')).toMatchObject({ steps: 20 });
    expect(configOf('--steps 20').epochs).toBeUndefined();
    expect(configOf('--sampling full').batchSize).toBeUndefined();
  });

  it('add to the loss and to the batches, and nothing by default', () => {
    const more = '--label-smoothing 0.1 --penalty-l1 1e-5 --penalty-l2 0.001 --mixup 0.2 --cutout 8';
    expect(configOf(more)).toMatchObject({
      lossOptions: { labelSmoothing: 0.1 },
      penalty: { l1: 1e-5, l2: 0.001 },
      augment: { mixup: { alpha: 0.2 }, cutout: { size: 8 } },
    });
    expect(modelOf(configOf(more)).loss.settings).toMatchObject({ labelSmoothing: 0.1 });
    expect(configOf('--mixup 1').augment).toEqual({ mixup: { alpha: 1 } });
    for (const key of ['lossOptions', 'penalty', 'augment']) expect(key in configOf('')).toBe(false);
    expect(errorOf('--loss huber --label-smoothing 0.1').code).toBe('OPTION-UNKNOWN');
    expect(errorOf('--penalty-l2 -1').code).toBe('OPTION-RANGE');
    expect(errorOf('--cutout 1.5').code).toBe('OPTION-RANGE');
  });

  it('name a profile, and nothing where there is none', () => {
    expect(configOf('--profile --steps 100').profile).toBe(true);
    expect('profile' in configOf('--steps 100')).toBe(false);
    const of = (steps: number) => profiledSteps(configOf('--profile'), steps);
    expect([2, 4, 8, 40, 64, 100_000].map(of)).toEqual([1, 1, 2, 10, 16, 16]);
    expect(profiledSteps(configOf(''), 1)).toBe(0);
    expect(() => of(1)).toThrow(/OPTION-RANGE/);
    expect(() => checkFit(configOf('--profile --steps 1'), knownShape(configOf(''))!)).toThrow(
      /--profile needs 2 steps/,
    );
  });

  it('count in the order given: the last one', () => {
    expect(configOf('--optimizer sgd --momentum 0.9 --nesterov --no-nesterov').optimizer.hyper.nesterov).toBe(false);
    expect(configOf('--lr 1 --lr 2').optimizer.hyper.lr).toBe(2);
    const adan = '--optimizer adan --decoupled-weight-decay';
    expect(configOf(`${adan} --no-prox`).optimizer.hyper.noProx).toBe(true);
    expect(configOf(`${adan} --no-prox --prox`).optimizer.hyper.noProx).toBe(false);
  });

  it('exist for every hyper-parameter of every rule, and no two meanings share a name', () => {
    const flags = hyperFlags();
    const general = Object.values(FLAGS).flatMap((section) => Object.keys(section));
    for (const row of rows) {
      for (const [key, field] of Object.entries(row.fields)) {
        expect(flags.get(flagOf(key, field))?.uses.some((use) => use.row === row && use.field === field)).toBe(true);
      }
    }
    for (const [name, { uses }] of flags) {
      expect(general).not.toContain(name);
      if (uses[0]!.field.kind === 'flag') expect([...general, ...flags.keys()]).not.toContain(opposite(name));
      // One number or several, each in the words of the rule that is chosen: Adafactor has an eps of two.
      const kinds = uses.map(({ field }) => (field.kind === 'tuple' ? 'number' : field.kind));
      expect(new Set(kinds).size, name).toBe(1);
      // What one is called in a configuration, all are.
      for (const { row } of uses) expect(Object.keys(row.fields), name).toContain(flags.get(name)!.key);
    }
  });

  it('may be called otherwise than the option, where its name is taken', () => {
    expect(configOf('--scale unit --optimizer muon --lr-scale match-rms-adamw')).toMatchObject({
      scale: 'unit',
      optimizer: { hyper: { scale: 'match-rms-adamw' } },
    });
    expect(errorOf('--optimizer adam --lr-scale original')).toMatchObject({ code: 'HYPER-UNKNOWN' });
  });

  it.each(rows.map((row) => [row.name, row] as const))('can restate all defaults of %s', (name, row) => {
    const args = Object.entries(row.fields).map(([key, field]) => {
      const name = flagOf(key, field);
      if (field.kind === 'flag') return field.default ? `--${name}` : `--${opposite(name)}`;
      return `--${name} ${showHyper(field.default)}`;
    });
    expect(configOf(`--optimizer ${name} ${args.join(' ')}`)).toEqual(configOf(`--optimizer ${name}`));
  });
});

describe('--wrap', () => {
  it('is a list of names, of which some have a value, in plain JSON', () => {
    expect('wrappers' in configOf('')).toBe(false);
    const { wrappers } = configOf('--wrap centralize=first,gradient-noise=0.3,cautious,lookahead=6,sam');
    expect(wrappers).toEqual([
      { name: 'centralize', options: { outputs: 'first' } },
      { name: 'gradientNoise', options: { eta: 0.3 } },
      { name: 'cautious', options: {} },
      { name: 'lookahead', options: { k: 6 } },
      { name: 'sam', options: {} },
    ]);
    expect(errorOf('--wrap lookahed')).toMatchObject({
      code: 'OPTION-RANGE',
      message: expect.stringMatching(/mean 'lookahead'/),
    });
    expect(errorOf('--wrap cautious=1').code).toBe('OPTION-RANGE');
    expect(errorOf('--wrap lookahead=0').code).toBe('OPTION-RANGE');
    expect(errorOf('--wrap sam=far').code).toBe('OPTION-TYPE');
    expect(errorOf('--wrap sam,sam').message).toMatch(/twice/);
  });
});

describe('--schedule', () => {
  /** What --lr 0.1 follows in a run of 100 steps. */
  const rates = (line: string, steps = 100) => {
    const config = JSON.parse(JSON.stringify(configOf(`${line} --lr 0.1 --steps ${steps}`)));
    return scheduleOf(config, steps)!;
  };

  it('is plain JSON with the options it uses; absent where the rate is constant', () => {
    expect(configOf('').schedule).toBeUndefined();
    expect(configOf('--schedule constant --warmup 0').schedule).toBeUndefined();
    expect(scheduleOf(configOf(''), 100)).toBeUndefined();
    expect(configOf('--warmup 20').schedule).toEqual({ name: 'constant', warmup: 20 });
    expect(configOf('--schedule cosine').schedule).toEqual({ name: 'cosine', warmup: 0, minLr: 0 });
    expect(configOf('--schedule multistep --milestones 10,20 --gamma 0.5').schedule).toEqual({
      name: 'multistep',
      warmup: 0,
      milestones: [10, 20],
      gamma: 0.5,
    });
    expect(configOf('--schedule step').schedule).toEqual({ name: 'step', warmup: 0, gamma: 0.1 });
  });

  it.each(Object.keys(SCHEDULES).filter((name) => name !== 'constant' && name !== 'noam'))(
    '%s starts at the rate, or rises to it, and can be made for any length',
    (name) => {
      const schedule = rates(`--schedule ${name}`);
      const all = Array.from({ length: 100 }, (_, count) => schedule(count));
      expect(Math.max(...all)).toBe(0.1);
      expect(all.at(-1)).toBeGreaterThanOrEqual(0);
      const rises = name.startsWith('one-cycle');
      if (!rises) expect(all[0]).toBe(0.1);
      for (const steps of [1, 2, 3]) expect(rates(`--schedule ${name}`, steps)(0)).toBeLessThanOrEqual(0.1);
      const warm = rates(`--schedule ${name} --warmup 10`);
      expect(warm(0)).toBe(warm(10) / 10);
      if (!rises) expect(warm(10)).toBe(0.1);
    },
  );

  it('ends with the run, warm-up included', () => {
    expect(rates('--schedule cosine --min-lr 0.01')(100)).toBe(0.01);
    expect(rates('--schedule cosine --warmup 20')(60)).toBeCloseTo(0.05, 15);
    expect(rates('--schedule linear --warmup 20')(99)).toBeCloseTo(0.1 / 80, 15);
    expect(rates('--schedule polynomial --power 3')(50)).toBeCloseTo(0.1 / 8, 15);
    expect(rates('--schedule one-cycle')(29)).toBe(0.1);
    expect(String(rates('--schedule step --warmup 10'))).toBe(
      'warmup(step(0.1, { stepSize: 30, gamma: 0.1 }), { steps: 10 })',
    );
    expect(rates('--schedule one-cycle-three-phase')(58)).toBe(0.1 / 25);
    expect(rates('--schedule wsd')(90)).toBe(0.1);
    const decay = rates('--schedule wsd --decay-steps 40 --decay-type linear --min-lr 0.05 --warmup 20');
    expect([19, 20, 60, 80, 100].map(decay)).toEqual([
      expect.closeTo(0.1, 1),
      0.1,
      0.1,
      expect.closeTo(0.075, 15),
      0.05,
    ]);
    const noam = rates('--schedule noam --step-size 25 --d-model 16');
    expect([0, 24, 99].map(noam)).toEqual(
      [0.1 / 4 / 125, 0.1 / 20, 0.1 / 40].map((value) => expect.closeTo(value, 15)),
    );
    expect(rates('--schedule inverse-sqrt --warmup 10 --step-size 10')(40)).toBeCloseTo(0.05, 15);
  });

  it('counts milestones in steps of the run, with a warm-up too', () => {
    const schedule = rates('--schedule multistep --milestones 40,80 --warmup 10');
    expect([39, 40, 79, 80].map(schedule)).toEqual([0.1, 0.1 * 0.1, 0.1 * 0.1, 0.1 * 0.1 ** 2]);
    const halves = rates('--schedule multistep');
    expect([49, 50, 74, 75].map(halves)).toEqual([0.1, 0.1 * 0.1, 0.1 * 0.1, 0.1 * 0.1 ** 2]);
  });

  it('knows the steps of a run', () => {
    expect(runSteps(configOf('--epochs 3 --batch 64'), 130)).toBe(9);
    expect(runSteps(configOf('--steps 7'), 130)).toBe(7);
    expect(runSteps(configOf('--epochs 5 --sampling full'), 130)).toBe(5);
  });
});

describe('wrong flags', () => {
  it.each([
    ['--lr NaN', 'HYPER-RANGE', /got NaN/],
    ['--lr Infinity', 'HYPER-RANGE', /got Infinity/],
    ['--lr -1', 'HYPER-RANGE', /got -1/],
    ['--lr fast', 'HYPER-TYPE', /"fast"/],
    ['--lr', 'OPTION-TYPE', /--lr needs a value/],
    ['--profile=5', 'OPTION-TYPE', /--profile is a switch/],
    ['--lr --seed 1', 'OPTION-TYPE', /--lr needs a value/],
    ['--lr=', 'OPTION-TYPE', /--lr needs a value/],
    ['--betas 0.9,1', 'HYPER-RANGE', /betas\[1\]/],
    ['--betas -0.1,0.9', 'HYPER-RANGE', /betas\[0\]/],
    ['--betas 0.9', 'HYPER-TYPE', /pair/],
    ['--optimizer adan --betas 0.98,0.92', 'HYPER-TYPE', /list of 3 numbers/],
    ['--optimizer adan --beta4 0.99', 'OPTION-UNKNOWN', /--beta4/],
    ['--optimizer sgd --nesterov', 'HYPER-RANGE', /momentum/],
    ['--optimizer sgd --nesterov=yes', 'OPTION-TYPE', /Write --nesterov or --no-nesterov/],
    ['--momentum 0.9', 'HYPER-UNKNOWN', /adam has no --momentum; .*sgd.* ha(s|ve) it/],
    ['--no-nesterov', 'HYPER-UNKNOWN', /Leave out --no-nesterov/],
    ['--optimizer amad', 'RULE-UNKNOWN', /Did you mean 'adam'/],
    ['--optimizer toString', 'RULE-UNKNOWN', /toString/],
    ['--optimiser adam', 'OPTION-UNKNOWN', /Did you mean '--optimizer'/],
    ['--no-no-prox', 'OPTION-UNKNOWN', /no flag --no-no-prox/],
    ['--constructor', 'OPTION-UNKNOWN', /--constructor/],
    ['-q', 'OPTION-UNKNOWN', /See downhill train --help/],
    ['adam', 'OPTION-UNKNOWN', /flags only/],
    ['--model 784-0-10', 'SHAPE-INVALID', /got 0/],
    ['--model 784--100-10', 'SHAPE-INVALID', /got -100/],
    ['--model 784-1.5-10', 'SHAPE-INVALID', /got 1.5/],
    ['--model 784', 'SHAPE-INVALID', /at least an input and an output/],
    ['--model=', 'OPTION-TYPE', /needs a value/],
    ['--model 784-x-10', 'SHAPE-INVALID', /./],
    ['--activation rely', 'OPTION-RANGE', /Did you mean 'relu'/],
    ['--init he', 'OPTION-RANGE', /--init must be one of/],
    ['--loss l2', 'OPTION-RANGE', /--loss must be one of/],
    ['--batch 0', 'OPTION-RANGE', /--batch/],
    ['--batch 6.4', 'OPTION-RANGE', /--batch/],
    ['--batch many', 'OPTION-TYPE', /--batch/],
    ['--sampling full --batch 10', 'OPTION-RANGE', /Leave out --batch/],
    ['--steps 0', 'OPTION-RANGE', /--steps/],
    ['--steps 5 --epochs 5', 'OPTION-RANGE', /Give one of them/],
    ['--seed -1', 'OPTION-RANGE', /--seed/],
    ['--samples 1', 'OPTION-RANGE', /--samples/],
    ['--samples 100 --data idx:x', 'OPTION-RANGE', /Leave out --samples/],
    ['--samples 100 --data xor', 'OPTION-RANGE', /--samples is for --data digits.*Leave out --samples/],
    ['--points 100', 'OPTION-RANGE', /--points is for --data spirals, circles, xor, moons/],
    ['--data xor --noise -1', 'OPTION-RANGE', /--noise/],
    ['--data spiral', 'OPTION-RANGE', /Did you mean 'spirals'/],
    ['--data mnits', 'OPTION-RANGE', /moons, mnist, fashion-mnist, idx:DIR, csv:FILE or npy:FILE/],
    ['--data idx:', 'OPTION-RANGE', /moons, mnist, fashion-mnist, idx:DIR, csv:FILE or npy:FILE/],
    ['--in firefox', 'OPTION-RANGE', /node, chrome/],
    ['--json=1', 'OPTION-TYPE', /is a switch/],
    ['--schedule cosin', 'OPTION-RANGE', /Did you mean 'cosine'/],
    ['--schedule toString', 'OPTION-RANGE', /--schedule must be one of/],
    ['--schedul cosine', 'OPTION-UNKNOWN', /Did you mean '--schedule'/],
    [
      '--schedule cosine --gamma 0.5',
      'OPTION-RANGE',
      /--gamma is for --schedule step, multistep, exponential, not for c/,
    ],
    ['--min-lr 0.5', 'OPTION-RANGE', /not for constant/],
    ['--schedule cosine --min-lr 0.5', 'OPTION-RANGE', /min must be .*at most 0.001/],
    ['--schedule cosine --min-lr low', 'OPTION-TYPE', /"low"/],
    ['--schedule step --step-size 0', 'OPTION-RANGE', /stepSize/],
    ['--schedule step --gamma -1', 'OPTION-RANGE', /gamma/],
    ['--schedule multistep --milestones 20,10', 'OPTION-RANGE', /above/],
    ['--schedule multistep --milestones 20,', 'OPTION-TYPE', /""/],
    ['--schedule multistep --milestones 20,30 --warmup 25', 'OPTION-RANGE', /20 lies in the warm-up of 25/],
    ['--schedule polynomial --power 0', 'OPTION-RANGE', /power/],
    ['--warmup -1', 'OPTION-RANGE', /--warmup/],
    ['--warmup 2.5', 'OPTION-RANGE', /--warmup/],
    ['--warmup 50 --steps 50', 'OPTION-RANGE', /the run has 50 steps/],
  ])('%s: %s', (line, code, text) => {
    const error = errorOf(line);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(text);
    expect(error.fix).toMatch(/\.$|\?$/);
  });
});

describe('help', () => {
  const help = trainHelp();

  it('is asked for with --help or -h, whatever else is there', () => {
    expect(parseTrain(['--lr', '1', '--help'])).toBe('help');
    expect(parseTrain(['-h'])).toBe('help');
  });

  it('names every flag, every rule and every hyper-parameter with its default', () => {
    for (const section of Object.values(FLAGS)) {
      for (const [name, { default: fallback }] of Object.entries(section)) {
        expect(help).toContain(`--${name}`);
        if (fallback) expect(help.replace(/\s+/g, ' ')).toContain(`[${fallback}]`);
      }
    }
    for (const row of rows) {
      expect(help).toContain(`${row.name} `);
      expect(help).toContain(row.paper);
      for (const [key, field] of Object.entries(row.fields)) {
        expect(help).toContain(`--${flagOf(key, field)}`);
        expect(help.replace(/\s+/g, ' ')).toContain(field.help);
        if (field.kind !== 'flag') expect(help).toContain(`[${showHyper(field.default)}]`);
      }
    }
  });

  it('reads well beside its flags', () => {
    expect(help).toContain('--no-prox, --prox');
    expect(help).toMatch(/--seed N +seed of the initial weights/);
  });

  it('fits a terminal of 100 columns', () => {
    // An address cannot be broken.
    const lines = help.split('\n').filter((line) => !line.includes('https://'));
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(98);
  });
});
