import { colourAt, type SearchChart } from '../../harness/search/charts/style.js';
import { cssColor } from '../shell/dom.js';

/** What is drawn, and what may be hidden: no title, since the page has one. */
export type Drawn = Omit<SearchChart, 'title' | 'subtitle'>;

/** Colours of the page as it looks now. */
export interface Look {
  readonly text: string;
  readonly muted: string;
  readonly grid: string;
  readonly axis: string;
  readonly card: string;
  readonly bad: string;
  readonly accent: string;
  readonly dark: boolean;
}

export const lookNow = (): Look => ({
  text: cssColor('--text'),
  muted: cssColor('--muted'),
  grid: cssColor('--grid'),
  axis: cssColor('--field-border'),
  card: cssColor('--card'),
  bad: cssColor('--bad'),
  accent: cssColor('--accent'),
  dark: matchMedia('(prefers-color-scheme: dark)').matches,
});

/** From the best (0) to the worst (1), so that the best stands out on light and dark. */
export const colorOf = (share: number, dark: boolean): string => colourAt(dark ? 1 - share : share);

/** Ink that is read on such a colour. */
export const inkOn = (share: number, dark: boolean): string =>
  (dark ? 1 - share : share) < 0.62 ? '#ffffff' : '#16202e';
