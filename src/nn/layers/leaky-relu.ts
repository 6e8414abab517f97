import { elementwise } from '../elementwise.js';

/** y = x where x > 0, else 0.01·x, PyTorch's default. */
export const leakyRelu = elementwise('leaky-relu', 'Leaky ReLU', 'leaky-relu');
