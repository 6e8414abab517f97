/** In the order of the tabs. */
export const VIEWS = {
  train: 'Train',
  compare: 'Compare',
  landscape: 'Landscape',
  search: 'Search',
  bench: 'Bench',
} as const;
export type ViewName = keyof typeof VIEWS;
