/** A reporter for vitest, used by harness/test.mjs: names each test that failed, and passed when it was tried again. */
import type { Reporter, TestModule } from 'vitest/node';

export default class SecondTryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const lines = modules.flatMap((module) =>
      [...module.children.allTests()]
        .filter((test) => test.diagnostic()?.flaky)
        .map(
          (test) => `  ${module.relativeModuleId} > ${test.fullName}: ${firstLine(test.result().errors?.[0]?.message)}`,
        ),
    );
    if (lines.length > 0) console.log(`\nPassed at the second try:\n${lines.join('\n')}`);
  }
}

const firstLine = (text = 'no reason given') => text.split('\n', 1)[0];
