import { elementwise } from '../elementwise.js';

/** y = max(x, 0); its slope at 0 is 0. A NaN stays one. */
export const relu = elementwise('relu', 'ReLU', 'relu');
