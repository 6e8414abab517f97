import { describe, expect, it } from 'vitest';
import { prepare, sampleDigits } from '../../app/data.js';
import { modelOf, parse } from '../../app/settings.js';
import { buildData } from '../../harness/train/data.js';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { mlp } from '../../src/index.js';

/* Whoever starts the page's run and the command line's, as they stand, gets the same run. */

const configOf = (...args: string[]) => (parseTrain(args) as TrainCommand).config;

describe('the page and the command line', () => {
  it('have the same defaults', () => {
    const config = configOf();
    const settings = parse({}).settings!;
    expect(settings).toMatchObject({
      source: config.data.kind,
      samples: config.data.kind === 'digits' && config.data.samples,
      scaling: config.scale,
      batchSize: config.batchSize,
      sampling: config.sampling,
      epochs: config.epochs,
      seed: config.seed,
    });
    expect(modelOf(settings, 784, 10)).toEqual(mlp(config.model));
    expect(settings.rule.row.name).toBe(config.optimizer.name);
    expect(settings.rule.hyper).toEqual(config.optimizer.hyper);
  });

  it.each([2, 59, 60, 1000])('make the same parts of %i digits', async (samples) => {
    const page = prepare(sampleDigits(samples), 'standard');
    const cli = await buildData(configOf('--samples', String(samples)));
    expect(page.train.samples).toBe(cli.train.samples);
    // Compared as bytes: a million numbers take toEqual seconds.
    for (const part of ['train', 'test'] as const) {
      expect(Buffer.compare(Buffer.from(page[part].x), Buffer.from(cli[part].x))).toBe(0);
      expect([page[part].scale, page[part].shift]).toEqual([cli[part].scale, cli[part].shift]);
    }
  });
});
