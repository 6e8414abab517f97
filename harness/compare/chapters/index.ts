/** The chapters, in the order of the notes. */
import type { Chapter } from '../chapter.js';
import { batchSize } from './batch-size.js';
import { batching } from './batching.js';
import { initialisation } from './initialisation.js';
import { normalisation } from './normalisation.js';
import { optimizers } from './optimizers.js';
import { schedules } from './schedules.js';

export const CHAPTERS: readonly Chapter[] = [batching, optimizers, schedules, batchSize, initialisation, normalisation];
