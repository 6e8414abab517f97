/** The files of a comparison: its picture, the same in pixels, and its numbers. */
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DownhillError } from '../../src/index.js';
import { outputError } from '../common/output.js';
import { writeWhole } from '../common/whole-file.js';

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

/**
 * @returns the folder
 * @throws DownhillError OUTPUT-UNWRITABLE, also where there is a comparison in it and nobody said that it may go
 */
export function makeFolder(folder: string, force: boolean): string {
  try {
    mkdirSync(resolve(folder), { recursive: true });
  } catch (cause) {
    throw outputError(folder, cause);
  }
  if (!force && Object.values(FILES).some((file) => existsSync(join(folder, file)))) {
    throw new DownhillError(
      'OUTPUT-UNWRITABLE',
      `The folder ${folder} has a comparison in it already.`,
      'Name another folder, or add --force.',
    );
  }
  return folder;
}

/** All files, each whole or not at all. A picture in pixels where its library and its font are there. */
export async function writeFiles(folder: string, svg: string, numbers: object, drawing?: Drawing): Promise<Files> {
  const [picture, png, json] = [FILES.svg, FILES.png, FILES.json].map((file) => join(folder, file)) as [
    string,
    string,
    string,
  ];
  try {
    writeWhole(picture, svg);
    writeWhole(json, `${JSON.stringify(numbers, null, 1)}\n`);
    const { canDraw, svgPng } = drawing ?? (await import('../common/png.js'));
    if (!canDraw()) {
      const withoutPng = 'install @resvg/resvg-wasm and dejavu-fonts-ttf for one';
      return { picture, numbers: json, withoutPng };
    }
    writeWhole(png, await svgPng(svg));
    return { picture, png, numbers: json };
  } catch (cause) {
    throw outputError(folder, cause, 'it is no longer there');
  }
}
