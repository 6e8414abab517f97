/** The files of a comparison: its picture, the same in pixels, and its numbers. */
import { OutFolder } from '../common/out-folder.js';

const FILES = { svg: 'comparison.svg', png: 'comparison.png', json: 'comparison.json' };

/** Paths, as they are shown. */
export interface Files {
  readonly picture: string;
  readonly png?: string;
  readonly numbers: string;
  /** Why there is no picture in pixels. */
  readonly withoutPng?: string;
}

/** What makes pixels of an SVG: of `harness/common/png.ts`. */
interface Drawing {
  canDraw(): boolean;
  svgPng(svg: string): Promise<Uint8Array>;
}

/** @throws DownhillError OUTPUT-UNWRITABLE, also where there is a comparison in it and nobody said that it may go */
export const openFolder = (folder: string, force: boolean): OutFolder =>
  new OutFolder(folder, { what: 'a comparison', files: Object.values(FILES), force });

/** All files or none. A picture in pixels where its library and its font are there. */
export async function writeFiles(folder: OutFolder, svg: string, numbers: object, drawing?: Drawing): Promise<Files> {
  const { canDraw, svgPng } = drawing ?? (await import('../common/png.js'));
  const pixels = canDraw() ? await svgPng(svg) : undefined;
  folder.write({
    [FILES.svg]: svg,
    [FILES.json]: `${numbersInLines(JSON.stringify(numbers, null, 1))}\n`,
    ...(pixels && { [FILES.png]: pixels }),
  });
  const [picture, png, json] = [FILES.svg, FILES.png, FILES.json].map((file) => folder.shown(file)) as [
    string,
    string,
    string,
  ];
  if (pixels) return { picture, png, numbers: json };
  return { picture, numbers: json, withoutPng: 'install @resvg/resvg-wasm and dejavu-fonts-ttf for one' };
}

/** JSON whose lists of numbers, thousands of a curve, take a line each instead of one for every number. */
const numbersInLines = (json: string): string =>
  json.replace(
    /\[\s+((?:(?:-?\d[^\s,\]]*|null),\s+)*(?:-?\d[^\s,\]]*|null))\s+\]/g,
    (_, list: string) => `[${list.replaceAll(/\s+/g, ' ')}]`,
  );
