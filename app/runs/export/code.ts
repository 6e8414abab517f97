import { DIGITS, TRAIN_SHARE } from '../../../harness/common/settings.js';
import { type DataConfig, isDrawn, type TrainConfig } from '../../../harness/train/config.js';
import { scheduleOf } from '../../../harness/train/schedule.js';
import { unusual } from '../../../harness/train/spell.js';
import type { About } from '../run.js';

/* A run as a program with the library's public names: it reads its data, trains and tests as the run did. */

/** What a program is made of. */
interface Program {
  /** Names from 'downhill', and from others of its entries. */
  readonly names: Set<string>;
  readonly others: Map<string, Set<string>>;
}

/** @param about of a run with a configuration */
export function asCode(about: Pick<About, 'config' | 'caption' | 'totalSteps'>): string {
  const config = about.config!;
  const program: Program = { names: new Set(['createTrainer', 'mlp', 'requestDevice']), others: new Map() };
  const data = dataCode(config, program);
  const options = optionsCode(config, about.totalSteps, program);
  const epochs = config.steps === undefined ? `epochs: ${config.epochs}` : `steps: ${config.steps}`;
  const imports = [
    `import { ${[...program.names].sort().join(', ')} } from 'downhill';`,
    ...[...program.others].map(([entry, names]) => `import { ${[...names].sort().join(', ')} } from '${entry}';`),
  ];
  return [
    // In one line: what follows a line break would be part of the program.
    `// ${about.caption.replace(LINE_BREAKS, ' ')}`,
    ...imports,
    '',
    "const device = await requestDevice(); // in Node: import { requestDevice } from 'downhill/node'",
    ...data,
    '',
    'const trainer = await createTrainer(device, {',
    ...options.map((line) => `  ${line},`),
    '});',
    `for await (const { step, loss } of trainer.run({ ${epochs} })) {`,
    '  if (step % 100 === 0) console.log(step, loss);',
    '}',
    'console.log(await trainer.evaluate(test)); // { step, loss, accuracy }',
    '',
  ].join('\n');
}

/** What ends a line of JavaScript; a file's name may hold one. */
const LINE_BREAKS = /[\n\r\u2028\u2029]+/g;

/** A value as it is written in JavaScript. */
function written(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(written).join(', ')}]`;
  if (typeof value === 'string')
    return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replace(LINE_BREAKS, ' ')}'`;
  if (typeof value !== 'object' || value === null) return String(value);
  const entries = Object.entries(value).map(([key, each]) => `${keyOf(key)}: ${written(each)}`);
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
}
const keyOf = (key: string): string => (/^[A-Za-z_$][\w$]*$/.test(key) ? key : written(key));

/** From files or the generator to `train`, `test` and where it is held out `validation`, scaled. */
function dataCode(config: TrainConfig, { names, others }: Program): string[] {
  const scaling = config.scale === 'unit' ? 'unitRange' : 'standardize';
  for (const name of ['split', scaling, 'statistics']) names.add(name);
  const held = config.validation && { share: 1 - config.validation.share, seed: config.seed, stratify: true };
  return [
    ...sourceCode(config.data, config, { names, others }),
    ...(held
      ? [`const [rawTrain, rawValidation] = split(rest, ${written(held)});`, 'const known = statistics(rawTrain);']
      : ['const known = statistics(rest);']),
    `const train = ${scaling}(${held ? 'rawTrain' : 'rest'}, known);`,
    ...(held ? [`const validation = ${scaling}(rawValidation, known);`] : []),
    `const test = ${scaling}(rawTest, known);`,
  ];
}

function sourceCode(data: DataConfig, { model }: TrainConfig, { names, others }: Program): string[] {
  const parted = (whole: string) => `const [rest, rawTest] = ${whole}`;
  if (isDrawn(data)) {
    const { kind, ...options } = data;
    names.add(kind);
    const first = Math.max(1, Math.floor(data.samples * TRAIN_SHARE));
    return [parted(`split(${kind}(${written({ ...options, seed: 0 })}), ${first});`)];
  }
  if (data.kind === 'csv') {
    others.set('downhill/csv', new Set(['csv']));
    const { kind: _, file, ...options } = data;
    const how = { share: TRAIN_SHARE, seed: 0, stratify: true };
    return [
      `const file = await fetch(${written(file)}).then((answer) => answer.blob()); // or a File that somebody chose`,
      parted(`split(await csv(file, ${written({ ...options, targets: 'classes' })}), ${written(how)});`),
    ];
  }
  names.add('idx');
  const classes = model.sizes.at(-1) ?? DIGITS.classes;
  return [
    '// The addresses of your files; without a test pair, split the training pair.',
    `const rest = await idx({ images: 'train-images', labels: 'train-labels', classes: ${classes} });`,
    `const rawTest = await idx({ images: 't10k-images', labels: 't10k-labels', classes: ${classes} });`,
  ];
}

/** What `createTrainer` is given. */
function optionsCode(config: TrainConfig, totalSteps: number, program: Program): string[] {
  const { batchSize, sampling, seed, penalty, augment, clip, dropLast, validation } = config;
  const { every, stopping } = validation ?? {};
  return [
    `model: ${modelCode(config, program)}`,
    `rule: ${ruleCode(config, totalSteps, program)}`,
    'data: train',
    ...(batchSize === undefined ? [] : [`batchSize: ${batchSize}`]),
    `sampling: ${written(sampling)}`,
    ...(dropLast ? ['dropLast: true'] : []),
    `seed: ${seed}`,
    ...wrapperCode(config, program),
    ...(penalty ? [`penalty: ${written(penalty)}`] : []),
    ...(clip ? [`clip: ${written(clip)}`] : []),
    ...(augment ? [`augment: ${written(augment)}`] : []),
    ...(validation ? [`validation: { data: validation, every: ${written(every)}, keepBest: true }`] : []),
    ...(stopping ? [`earlyStopping: ${written(stopping)}`] : []),
  ];
}

function modelCode({ model, lossOptions }: TrainConfig, { names }: Program): string {
  const { loss, ...rest } = model;
  if (!lossOptions) return `mlp(${written({ ...rest, ...(loss !== 'softmax-cross-entropy' && { loss }) })})`;
  names.add('losses');
  const options = written(rest).replace(/ \}$/, '');
  return `mlp(${options}, loss: losses[${written(loss)}](${written(lossOptions)}) })`;
}

function ruleCode(config: TrainConfig, totalSteps: number, { names, others }: Program): string {
  const { name, hyper } = config.optimizer;
  names.add(name);
  const { lr: _, ...options } = unusual(config.optimizer);
  const schedule = scheduleOf(config, config.steps ?? totalSteps)?.toString();
  if (schedule)
    others.set('downhill/schedules', new Set([...schedule.matchAll(/\b(\w+)\(/g)].map(([, made]) => made!)));
  const lr = 'lr' in hyper ? [`lr: ${schedule ?? written(hyper.lr)}`] : [];
  const parts = [...lr, ...Object.entries(options).map(([key, value]) => `${key}: ${written(value)}`)];
  return parts.length > 0 ? `${name}({ ${parts.join(', ')} })` : `${name}()`;
}

function wrapperCode({ wrappers }: TrainConfig, { names }: Program): string[] {
  if (!wrappers || wrappers.length === 0) return [];
  names.add('wrappers');
  const made = wrappers.map(({ name, options }) => {
    const given = Object.keys(options).length > 0 ? written(options) : '';
    return `wrappers.${name}(${given})`;
  });
  return [`wrappers: [${made.join(', ')}]`];
}
