import type { Run } from '../run.js';
import { svgOf, svgSize } from './svg.js';

/** Pixels for one of the drawing, so that print is sharp. */
const DENSITY = 2;

/** The drawing as a picture. */
export async function pngOf(run: Run): Promise<Blob> {
  const image = new Image();
  // By its text and not by a blob's address: the page's policy lets images come from 'data:' only.
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgOf(run))}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = svgSize.width * DENSITY;
  canvas.height = svgSize.height * DENSITY;
  canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
  if (!blob) throw new Error('the browser made no picture of the chart.');
  return blob;
}
