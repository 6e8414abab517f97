/**
 * A reporter: the slowest test files beside what they may take. Over budget is a warning and never a failure, since a
 * test's time says as much about the machine as about the test.
 */
import type { Reporter, TestModule } from 'vitest/node';

/** Seconds for a file on two cores with SwiftShader, beside one other file; by path, or by folder. */
const BUDGETS: Readonly<Record<string, number>> = {
  'tests/unit': 10,
  'tests/unit/torture-watchdog.test.ts': 40, // waits for what is ended after seconds
  'tests/wgsl': 60,
  'tests/gpu': 60,
  'tests/commands': 60,
  'tests/browser': 60,
  'tests/slow': 300,
};

const SHOWN = 12;

const budgetOf = (file: string): number => BUDGETS[file] ?? BUDGETS[file.split('/').slice(0, 2).join('/')] ?? 60;

export default class BudgetReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const files = modules
      .map((module) => {
        const { duration, collectDuration, setupDuration } = module.diagnostic();
        const seconds = (duration + collectDuration + setupDuration) / 1000;
        return { file: module.relativeModuleId, seconds, budget: budgetOf(module.relativeModuleId) };
      })
      .sort((a, b) => b.seconds - a.seconds);
    const over = files.filter(({ seconds, budget }) => seconds > budget);
    const shown = files.slice(0, Math.max(SHOWN, over.length));
    const width = Math.max(...shown.map(({ file }) => file.length));
    const lines = shown.map(
      ({ file, seconds, budget }) =>
        `  ${file.padEnd(width)}  ${seconds.toFixed(1).padStart(6)} s of ${budget} s${seconds > budget ? '  over budget' : ''}`,
    );
    console.log(`\nSlowest files:\n${lines.join('\n')}`);
    if (over.length > 0) console.log(`\nWarning: ${over.length} of ${files.length} files took more than their budget.`);
  }
}
