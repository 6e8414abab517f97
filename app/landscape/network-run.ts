import { createTrainer, type Trainer } from '../../src/index.js';
import { type Landscape, landscape, type PlaneKind, recordPath, type WeightPath } from '../../src/landscape/index.js';
import type { Experiment } from '../experiment/config.js';
import { optionsOf } from '../experiment/options.js';

/* A network that is trained for its path, and the loss on a plane through its weights. */

export interface PlaneSettings {
  readonly plane: Exclude<PlaneKind, 'line'>;
  /** Steps of training before. */
  readonly steps: number;
  /** Points along each axis. */
  readonly grid: number;
  /** Samples evaluated at each. */
  readonly samples: number;
  /** The random plane goes from minus that to that. */
  readonly range: number;
  /** Of the random directions. */
  readonly seed: number;
}

/** Snapshots of a path. */
const SNAPSHOTS = 25;

/** A trained network whose surroundings can be evaluated. To be destroyed. */
export class Surroundings {
  private constructor(
    readonly trainer: Trainer,
    readonly path: WeightPath,
    readonly experiment: Experiment,
    readonly settings: PlaneSettings,
  ) {}

  /** Trains by the experiment's settings, and keeps the path. @throws DownhillError; the signal's reason */
  static async train(
    device: GPUDevice,
    experiment: Experiment,
    settings: PlaneSettings,
    { signal, onStep }: { readonly signal: AbortSignal; onStep(step: number, loss: number): void },
  ): Promise<Surroundings> {
    const trainer = await createTrainer(device, { ...optionsOf(experiment), label: 'plane' });
    let path: WeightPath | undefined;
    try {
      path = await recordPath(trainer, { every: Math.max(1, Math.floor(settings.steps / SNAPSHOTS)) });
      for await (const { step, loss } of path.run({ steps: settings.steps, signal })) onStep(step, loss);
      signal.throwIfAborted();
      return new Surroundings(trainer, path, experiment, settings);
    } catch (error) {
      path?.destroy();
      trainer.destroy();
      throw error;
    }
  }

  /** Points of the whole plane. */
  get points(): number {
    return this.settings.grid ** 2 + 1;
  }

  /** Seconds that the plane takes: by what 17 points take longer than 5, since part of a call is the same for any number of them. */
  async estimate(signal: AbortSignal): Promise<number> {
    const timed = async (grid: number) => {
      const begun = performance.now();
      await this.#evaluate({ grid, signal });
      return (performance.now() - begun) / 1000;
    };
    await timed(2); // makes the pipelines
    const [few, more] = [await timed(2), await timed(4)];
    return few + Math.max((more - few) / 12, 0) * (this.points - 5);
  }

  evaluate(signal: AbortSignal, onProgress: (done: number, total: number) => void): Promise<Landscape> {
    return this.#evaluate({ grid: this.settings.grid, signal, onProgress });
  }

  #evaluate(more: Pick<Parameters<typeof landscape>[1], 'grid' | 'signal' | 'onProgress'>): Promise<Landscape> {
    const { plane, samples, range, seed } = this.settings;
    const most = Math.min(samples, this.experiment.data.train.samples);
    return landscape(this.trainer, {
      ...{ plane, samples: most, path: this.path, ...more },
      ...(plane === 'random' && { range, seed }),
    });
  }

  destroy(): void {
    this.path.destroy();
    this.trainer.destroy();
  }
}
