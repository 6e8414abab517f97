/** The chapters, in the order of the notes. */
import type { Chapter } from '../chapter.js';
import { adamVariants } from './adam-variants.js';
import { batchSize } from './batch-size.js';
import { batching } from './batching.js';
import { biasCorrection } from './bias-correction.js';
import { fullBatch } from './full-batch.js';
import { initialisation } from './initialisation.js';
import { localMinima } from './local-minima.js';
import { normalisation } from './normalisation.js';
import { optimizers } from './optimizers.js';
import { ravine } from './ravine.js';
import { regularisation } from './regularisation.js';
import { saddle } from './saddle.js';
import { schedules } from './schedules.js';
import { search } from './search.js';
import { warmup } from './warmup.js';

export const CHAPTERS: readonly Chapter[] = [
  ...[batching, ravine, saddle, localMinima, optimizers, biasCorrection, adamVariants],
  ...[schedules, warmup, batchSize, initialisation, normalisation, regularisation, fullBatch, search],
];
