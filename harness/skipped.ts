/** A reporter for vitest, used by harness/test.mjs: names each skipped test, and says why it was skipped. */
import type { Reporter, TestModule, Vitest } from 'vitest/node';

export default class SkippedReporter implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    // With `-t` all other tests count as skipped, without a note; whoever asked for that knows.
    const filtered = this.#vitest?.config.testNamePattern !== undefined;
    const lines = modules.flatMap((module) =>
      [...module.children.allTests('skipped')].flatMap((test) => {
        const result = test.result();
        const note = result.state === 'skipped' ? result.note : undefined;
        if (note === undefined && filtered) return [];
        return `  ${module.relativeModuleId} > ${test.fullName}: ${note ?? 'no reason given'}`;
      }),
    );
    if (lines.length > 0) console.log(`\nSkipped:\n${lines.join('\n')}`);
  }
}
