/** The average of the weights, the weights as they are trained, or those of the best validation so far. */
export type Weights = 'average' | 'current' | 'best';
