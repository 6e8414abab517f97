/** Which tests concern a kernel: the first that fails ends a mutant, so the quick and near ones come first. */

export interface Tests {
  readonly files: readonly string[];
  /** Of their names, where a file has those of many kernels. */
  readonly named?: string;
}

/** By the kernel's path; all rows that match count, in this order. `$1` in a name is the rule's, as options have it. */
const TESTS: readonly (readonly [path: RegExp, files: string, named?: string])[] = [
  [/^optim\/(?:adafactor|dadapt_adam|lamb|lars|muon|prodigy)\//, 'passes optimizer'],
  [/^optim\/lamb\//, 'norm watch'],
  [/^optim\/shampoo\//, 'shampoo passes'],
  [/^optim\/lbfgs\//, 'lbfgs minimizer minimize-lbfgs lbfgs-trainer'],
  [/^optim\/newton\//, 'newton'],
  [/^optim\/(?:curvature|take_values|sophia)/, 'sophia curvature'],
  [/^optim\/advance/, 'advance updater optimizer schedule'],
  [/^optim\/average/, 'average'],
  [/^optim\/encode/, 'encode packed'],
  [/^optim\/(?:cautious|gradient_noise)/, 'wrappers'],
  [/^optim\/sam_/, 'sam'],
  [/^optim\/schedule_free/, 'update schedule-free'],
  [/^optim\/(\w+)$/, 'update', '^$1'],
  [/^optim\/(?:adam|nadam|radam)$/, 'per-row'],
  [/^optim\/\w+$/, 'update optimizer'],
  [/^nn\/dense/, 'dense backward product'],
  [/^nn\/(?:batch_norm|layer_norm|dropout)/, 'norm layers'],
  [/^nn\/activation/, 'dense product layers'],
  [/^nn\/\w+_product/, 'product newton'],
  [/^nn\/\w+_drawn/, 'drawn sophia'],
  [/^nn\/class_weight/, 'loss losses'],
  [/^nn\/(?:binary|huber|l1|mse|softmax)/, 'loss losses'],
  [/^data\/account/, 'account loss stream'],
  [/^data\/augment/, 'augment'],
  [/^data\/sum_rows/, 'validation judge'],
  [/^problems\//, 'problems minimize'],
  [/^space\/accumulate$/, 'updater optimizer'],
  [/^space\/(?:accumulate_rows|norm_rows)/, 'optimizer-rows'],
  [/^space\/add/, 'product newton'],
  [/^space\/basis/, 'basis'],
  [/^space\/(?:basis|unit)/, 'spectrum'],
  [/^space\/centralize/, 'wrappers'],
  [/^space\/copy_if/, 'judge validation'],
  [/^space\/mix/, 'average wrappers'],
  [/^space\/(?:move|set)_rows/, 'optimizer-moves'],
  [/^space\/norm$/, 'advance updater optimizer'],
  [/^space\/plane/, 'landscape distance'],
  [/^space\/stage/, 'stage-half optimizer-halves optimizer-grads'],
  [/^train\/(?:histogram|moments)/, 'watch'],
  [/^train\/clocks/, 'population validation stream'],
  [/^train\/judge/, 'judge validation'],
  [/^train\/penalty/, 'penalty'],
  [/^train\/trace/, 'minimize problems'],
];

const camel = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** @param kernel optim/adam */
export function testsOf(kernel: string): Tests[] {
  return TESTS.flatMap(([path, files, named]) => {
    const found = path.exec(kernel);
    if (!found) return [];
    const tests = files.split(' ').map((file) => `tests/gpu/${file}.test.ts`);
    return [{ files: tests, ...(named && { named: named.replace('$1', camel(found[1] ?? '')) }) }];
  });
}
