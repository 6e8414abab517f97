import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Field, minimizers, type RuleRow, rules } from '../../src/index.js';
import type { LayerRow } from '../../src/nn/layer.js';
import { layerRows } from '../../src/nn/layers.js';
import type { LossRow } from '../../src/nn/loss.js';
import { losses } from '../../src/nn/losses.js';
import type { MetricRow } from '../../src/nn/metric.js';
import { metrics } from '../../src/nn/metrics.js';
import { block, code, escapeMarkdown, papers, prose, table } from './markdown.js';
import { generated, modulePages } from './module-pages.js';
import { numeral, optionsModule, show, span } from './options.js';

/*
 * docs/rules/: one page per update rule and a table of them all, from the rules' rows and the comments over them.
 * What no row holds, where frameworks disagree, is written by hand in disagreements.md beside this file.
 */

type Settings = Readonly<Record<string, unknown>>;

const rows = Object.values(rules as unknown as Readonly<Record<string, { readonly row: RuleRow }>>).map(
  ({ row }) => row,
);

const minimizerRows = Object.values(minimizers as unknown as Readonly<Record<string, { readonly row: RuleRow }>>).map(
  ({ row }) => row,
);

/** What the comment over a rule's `defineRule` says. */
interface Comment {
  /** Paragraphs of prose; formulas, which the row has, are indented and left out. */
  readonly paragraphs: readonly string[];
  readonly example: string;
  readonly paper: string;
}

export function readComment(name: string, source: string): Comment {
  const end = source.indexOf(`export const ${name} = defineRule(`);
  const start = source.lastIndexOf('/**', end);
  const lines = source
    .slice(start, end)
    .split('\n')
    .slice(1, -2)
    .map((line) => line.replace(/^ \* ?/, ''));
  const tag = (prefix: string): string => {
    const found = lines.find((line) => line.startsWith(prefix));
    if (!found) throw new Error(`src/optim/rules/${name}.ts: the comment over ${name} has no line '${prefix}…'`);
    return found.slice(prefix.length).trim();
  };
  const paragraphs = lines
    .slice(0, lines.indexOf(`@example ${tag('@example ')}`))
    .map((line) => (line.startsWith('  ') ? '' : line))
    .join('\n')
    .split(/\n\n+/)
    // A colon announces a formula, which the page has above.
    .map((text) => text.replaceAll('\n', ' ').trim().replace(/:$/, '.'))
    .filter((text) => text !== '');
  return { paragraphs, example: tag('@example '), paper: tag('Paper: ') };
}

const defaultsOf = (row: RuleRow): Settings =>
  Object.fromEntries(Object.entries(row.fields).map(([key, field]) => [key, field.default]));

const slotsOf = (row: RuleRow, settings: Settings): readonly string[] => row.slots(settings as never);

/** The settings that change which state a rule keeps, each alone, and all of them together. */
function stateRows(row: RuleRow): string[][] {
  const defaults = defaultsOf(row);
  const other = (field: Field, value: unknown): unknown => {
    if (field.kind === 'flag') return !value;
    return field.kind === 'number' ? (value === 0 ? 0.5 : 0) : value;
  };
  const changes = Object.entries(row.fields)
    .map(([key, field]) => [key, other(field, defaults[key])] as const)
    .filter(([key, value]) => `${slotsOf(row, { ...defaults, [key]: value })}` !== `${slotsOf(row, defaults)}`);
  const cells = (label: string, settings: Settings) => {
    const slots = slotsOf(row, settings);
    const names = slots.map((slot) => {
      const initial = row.initial?.(slot, settings as never) ?? 0;
      return initial === 0 ? code(slot) : `${code(slot)}, first ${numeral(initial)}`;
    });
    const { what, bytes, moved } = row.kept ?? {
      what: 'none',
      bytes: 4 * slots.length,
      moved: 4 * (3 + 2 * slots.length),
    };
    return [label, names.join('; ') || what, `${bytes}`, `${moved}`];
  };
  const phrase = ([key, value]: readonly [string, unknown]) =>
    typeof value === 'number' && value !== 0 ? `${code(key)} above 0` : `${code(key)} ${show(value)}`;
  const all = Object.fromEntries(changes);
  return [
    cells('defaults', defaults),
    ...changes.map((change) => cells(phrase(change), { ...defaults, [change[0]]: change[1] })),
    ...(changes.length > 1 ? [cells(changes.map(phrase).join(', '), { ...defaults, ...all })] : []),
  ];
}

const conventionsOf = (row: RuleRow): readonly string[] =>
  row.fields.convention?.kind === 'choice' ? row.fields.convention.choices : [];

function hyperTable(row: RuleRow): string {
  const others = conventionsOf(row).filter((name) => name !== row.fields.convention!.default);
  const fields = Object.entries(row.fields).filter(([key]) => key !== 'convention');
  return table(
    ['option', 'what', 'range', 'default', ...others.map((name) => `with ${code(name)}`)],
    fields.map(([key, field]) => [
      code(key),
      escapeMarkdown(field.help) + (field.flag === undefined ? '' : ` (${code(`--${field.flag}`)} of downhill train)`),
      span(field),
      code(show(field.default)),
      ...others.map((name) => {
        const value = row.conventions?.[name]?.[key];
        return value === undefined ? '' : code(show(value));
      }),
    ]),
  );
}

function rulePage(row: RuleRow, comment: Comment): string {
  const [summary = '', ...notes] = comment.paragraphs;
  const conventions = conventionsOf(row);
  return `${[
    GENERATED,
    `# ${escapeMarkdown(row.title)}`,
    prose(summary),
    `**When to use it.** ${escapeMarkdown(row.use)}`,
    block('text', row.formula.join('\n')),
    '`g` has the L2 penalty in it. Decoupled decay, `p -= lr·weightDecay·p`, comes first where the formula says nothing else. t is 1 at the first update.',
    ...notes.map(prose),
    `Paper: ${papers(comment.paper, row.paper)}.`,
    block('ts', `import { ${row.name} } from 'downhill';\n\n${comment.example};`),
    '## Hyper-parameters',
    hyperTable(row),
    [
      conventions.length
        ? `${code('convention')} is one of ${conventions.map(code).join(', ')}; the first is the default. An empty cell is the default.`
        : '',
      'Numbers, and every number of a list, may be schedules of the update count, where nothing else is said above.',
    ]
      .filter((text) => text !== '')
      .join(' '),
    '## State',
    table(['with', 'state', 'bytes per parameter', 'bytes moved per parameter and step'], stateRows(row)),
    'Moved: parameter and state read and written, gradient read. State starts at 0 where nothing else is said.',
    ...Object.keys(row.perRow ?? {}).map(
      (slot) =>
        `With \`perRow: '${slot}'\` of \`createOptimizer\` a tensor of shape \\[N, …\\] has N values of ${code(slot)}, one for each row: [what that is and takes](../embedding.md#one-second-moment-for-each-row).`,
    ),
    `Kernel: [shaders/${row.shader.name}.wgsl](../../shaders/${row.shader.name}.wgsl). [All rules](README.md).`,
  ].join('\n\n')}\n`;
}

const GENERATED = generated('src/optim/rules');

function indexPage(disagreements: string): string {
  return `${[
    GENERATED,
    '# Update rules',
    `${rows.length} rules, each a row in \`src/optim/rules\` and a fused kernel. Defaults and formulas are PyTorch's where PyTorch has the rule. Bytes: of state per parameter, at the defaults.`,
    table(
      ['rule', 'bytes', 'conventions', 'when to use it'],
      rows.map((row) => [
        `[${escapeMarkdown(row.title)}](${row.name}.md): ${code(row.name)}`,
        `${row.kept?.bytes ?? 4 * slotsOf(row, defaultsOf(row)).length}`,
        conventionsOf(row).map(code).join(', ') || '',
        escapeMarkdown(row.use),
      ]),
    ),
    COMMON,
    disagreements.trim(),
  ].join('\n\n')}\n`;
}

const COMMON =
  'Every rule also has `weightDecay` (added to the gradient as an L2 penalty, PyTorch’s way), `decoupledWeightDecay` (takes lr·weightDecay·p off the parameter instead) and `maximize`.';

const lossPages = (root: string) =>
  modulePages(root, {
    source: 'src/nn/losses',
    folder: 'docs/losses',
    title: 'Losses',
    notes: metricTable(),
    intro:
      'Each is a row in `src/nn/losses` with a kernel that gives every row’s loss and the gradient at the outputs in one pass. Formulas and defaults are PyTorch’s. `mlp` takes them by name, `sequential` as functions with options. The loss of a step is the mean over the valid rows of its batch.',
    modules: (Object.values(losses) as { readonly row: LossRow }[]).map(({ row }) => ({
      name: row.name,
      title: row.title,
      fields: row.fields,
      facts: {
        targets: [row.targets, ...(row.also ?? [])].map(code).join(', '),
        'counts for evaluation': code(row.counts),
      },
    })),
  });

const metricTable = () =>
  `## Metrics

\`trainer.evaluate(data, { metrics: ['confusion', 'f1', topK({ k: 3 })] })\` gives them beside the loss, in float64 from the outputs of the same moment; values in the units of the targets as given, whatever they were scaled by.

${table(
  ['metric', 'of', 'what'],
  (Object.values(metrics) as { readonly row: MetricRow }[]).map(({ row }) => [
    code(row.name),
    row.of,
    escapeMarkdown(row.help),
  ]),
)}`;
/** Names of what a layer has for any width, as Markdown; linear's own width has no default. */
function tensorNames(row: LayerRow, key: 'tensors' | 'buffers'): string {
  const defaults = Object.entries(row.fields).map(([name, field]) => [name, field.default]);
  const found = row[key]?.(1, { out: 1, ...Object.fromEntries(defaults) }) ?? [];
  return found.map(({ name }) => code(name)).join(', ');
}

const layerPages = (root: string) =>
  modulePages(root, {
    source: 'src/nn/layers',
    folder: 'docs/layers',
    title: 'Layers',
    intro:
      'Each is a row in `src/nn/layers` with kernels of its own and a float64 reference. Formulas, defaults and names of tensors are PyTorch’s. `sequential` takes them as functions with options, in any order; `mlp` takes activations by name, `norm` and `dropout` as options. Tensors are trained; buffers are kept beside them, change with every training batch, and are saved with the model. Stochastic depth, which leaves out whole residual blocks, is no layer here: there are no residual blocks.',
    modules: Object.values(layerRows).map((row) => ({
      name: row.name,
      title: row.title,
      fields: row.fields,
      facts: { tensors: tensorNames(row, 'tensors'), buffers: tensorNames(row, 'buffers') },
    })),
    notes: INITIAL_WEIGHTS,
  });

const INITIAL_WEIGHTS = `## Initial weights

\`init\` of \`sequential\` and \`mlp\` says how the weights of linear layers are drawn, \`gain\` by what they are multiplied; biases start
at 0. The same seed gives the same weights, also in the reference.

| init | weights | own gain |
| --- | --- | --- |
| \`he-normal\`, the default | N(0, gain²/in): He et al. 2015 | √2 |
| \`he-uniform\` | uniform in ±gain·√(3/in) | √2 |
| \`xavier-normal\` | N(0, 2·gain²/(in + out)): Glorot, Bengio 2010 | 1 |
| \`xavier-uniform\` | uniform in ±gain·√(6/(in + out)) | 1 |
| \`lecun-normal\` | N(0, gain²/in): LeCun et al. 1998 | 1 |
| \`orthogonal\` | gain·Q, columns of a tall matrix orthonormal, rows of a wide one: Saxe, McClelland, Ganguli 2013. Takes time of the order in·out·min(in, out) on the host | 1 |
| \`pytorch\` | uniform in ±1/√in, biases too: what torch.nn.Linear does | none |
| \`zeros\` | 0 | none |

\`gain: 'auto'\` is PyTorch’s \`calculate_gain\` of the activation behind each layer, 1 where there is none: identity and sigmoid 1, relu √2,
leaky relu √(2/(1 + negativeSlope²)), tanh 5/3. PyTorch has none for the others; theirs is the factor for which a standard normal
input keeps its mean square, as √2 does for relu: elu 1.25, gelu 1.53, silu 1.68, softplus 1.04.`;

/** Every folder of generated pages: a page in it that nobody writes any more is left over. */
export const FOLDERS = ['docs/rules', 'docs/losses', 'docs/layers'] as const;

/** Path to text, of every generated page, and the types of the rules' options. */
export function generateDocs(root: string): Record<string, string> {
  const files: Record<string, string> = {
    'src/optim/options.gen.ts': optionsModule([...rows, ...minimizerRows]),
    'docs/rules/README.md': indexPage(readFileSync(join(root, 'harness/generate/disagreements.md'), 'utf8')),
  };
  for (const row of rows) {
    const source = readFileSync(join(root, `src/optim/rules/${row.name}.ts`), 'utf8');
    files[`docs/rules/${row.name}.md`] = rulePage(row, readComment(row.name, source));
  }
  return { ...files, ...lossPages(root), ...layerPages(root) };
}
