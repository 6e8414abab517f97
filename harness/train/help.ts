/** The text of `downhill train --help`, made from the tables of flags and the rows of the rules. */
import type { Field, RuleRow } from '../../src/index.js';
import { opposite } from '../common/flag-names.js';
import { entry, flagHelp, wrap } from '../common/flags.js';
import { COMMAND_RULES, explain } from '../common/settings.js';
import { FLAGS, hyperFlags, valueName } from './options.js';
import { SCHEDULES } from './schedule.js';
import { wrapLines } from './wrap.js';

export function trainHelp(): string {
  const rows = Object.values(COMMAND_RULES).map(({ row }) => row);
  const lines = [
    'npx downhill train [flags]',
    '',
    ...wrap(
      'Trains a multilayer perceptron on WebGPU, shows the loss as it falls, and leaves the run in a folder. ' +
        'Every flag has a default, shown in brackets. Ctrl+C ends the training, saves and evaluates what was reached; ' +
        '--resume goes on from there.',
      2,
    ),
  ];
  for (const [heading, flags] of Object.entries(FLAGS)) {
    lines.push('', heading, ...flagHelp(flags));
  }
  lines.push('', 'schedules');
  for (const [name, { help }] of Object.entries(SCHEDULES)) lines.push(...entry(name, help));
  lines.push('', 'what goes round the optimizer: --wrap');
  for (const [name, help] of wrapLines()) lines.push(...entry(name, help));
  lines.push('', 'optimizers');
  for (const row of rows) lines.push(...entry(row.name, `${row.title}, ${row.paper}`));
  lines.push('', 'hyper-parameters of the optimizers');
  for (const [name, { uses }] of hyperFlags()) {
    const { kind } = uses[0]!.field;
    const flag = kind === 'flag' ? `--${name}, --${opposite(name)}` : `--${name} ${valueName(uses[0]!.field)}`;
    const groups = groupUses(uses);
    groups.forEach(({ text, names }, i) => {
      const owners = names.length === rows.length ? '' : `${names.join(', ')}: `;
      lines.push(...entry(i === 0 ? flag : '', owners + text));
    });
  }
  lines.push(
    '',
    'exit codes',
    ...entry('0', 'trained, evaluated and saved'),
    ...entry('1', 'an error, of which a message tells; what was reached is saved'),
    ...entry('2', 'a flag or a value that is not one'),
    ...entry(
      '3',
      'the training diverged: its last loss is not finite, or the loss at the end (median of the last tenth) is over ' +
        '3 times that at the start (mean of the first 32 samples); --allow-divergence makes it 0',
    ),
    ...entry(
      '130, 143, 129',
      'ended by Ctrl+C, SIGTERM or SIGHUP; saved, and evaluated where 4 s were enough for that; a second one ends at once',
    ),
    '',
    'examples',
    '  npx downhill train --optimizer sgd --lr 0.1 --momentum 0.9 --nesterov',
    '  npx downhill train --schedule cosine --warmup 100',
    '  npx downhill train --data mnist --epochs 20 --out runs/mnist',
    '  npx downhill train --validation 0.1 --patience 5 --epochs 100',
    '  npx downhill train --save-every 500 --out runs/mine',
    '  npx downhill train --resume runs/mine',
    '  npx downhill train --config run.json --out runs/again',
    '  npx downhill train --in chrome --steps 500 --json',
    '  npx downhill train --profile --steps 300',
    '  npx downhill train --optimizer lbfgs --samples 2000',
    '',
  );
  return lines.join('\n');
}

/** One text for all rules in which a hyper-parameter means the same, with the same default. */
function groupUses(uses: readonly { row: RuleRow; field: Field }[]): { text: string; names: string[] }[] {
  const groups = new Map<string, string[]>();
  for (const { row, field } of uses) {
    const fallback = field.kind === 'flag' ? (field.default ? 'on' : 'off') : String(field.default);
    const text = `${explain(field)} [${fallback}]`;
    groups.set(text, [...(groups.get(text) ?? []), row.name]);
  }
  return [...groups].map(([text, names]) => ({ text, names }));
}
