/* What tensors need that are taken by rows: loaded where there are some. */
export { ROW_FORMS } from '../kernels/rows.js';
export { recordSpans } from '../space/records.js';
export { RowMoves } from './row-moves.js';
export { checkActive, checkArenas, rowAdopter } from './row-options.js';
export { RowSpans } from './row-spans.js';
