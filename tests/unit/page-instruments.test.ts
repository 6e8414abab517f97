import { describe, expect, it } from 'vitest';
import { PaintedPoints } from '../../app/toy/painted.js';
import { digitImage } from '../../app/train/instruments/digit-image.js';
import { Flights } from '../../app/train/instruments/flights.js';
import { labelsOf, largest } from '../../app/train/instruments/samples.js';
import { arrays } from '../../src/index.js';

/* What the instruments reckon without a page. */

describe('a drawing as an image', () => {
  /** A filled rectangle on a pad of 280 x 280. */
  const drawn = (left: number, top: number, width: number, height: number) =>
    Uint8Array.from({ length: 280 * 280 }, (_, i) => {
      const [x, y] = [i % 280, Math.floor(i / 280)];
      return x >= left && x < left + width && y >= top && y < top + height ? 255 : 0;
    });

  it.each([
    [drawn(10, 10, 40, 80)],
    [drawn(200, 150, 40, 80)],
    [drawn(80, 40, 100, 200)], // of the same form, larger
  ])('is 20 pixels long, in the middle, wherever and however large it was drawn: %#', (ink) => {
    const image = digitImage(ink, 280, 28, 28);
    const inked = [...image.keys()].filter((i) => image[i]! > 127);
    const [rows, columns] = [inked.map((i) => Math.floor(i / 28)), inked.map((i) => i % 28)];
    expect([Math.min(...rows), Math.max(...rows)]).toEqual([4, 23]);
    expect([Math.min(...columns), Math.max(...columns)]).toEqual([9, 18]);
    expect(Math.max(...image)).toBe(255);
  });

  it('has its centre of mass in the middle, where its box is lopsided', () => {
    const foot = drawn(70, 200, 90, 30);
    const ink = drawn(50, 50, 20, 180).map((value, i) => Math.max(value, foot[i]!));
    const image = digitImage(ink, 280, 28, 28);
    const mass = image.reduce((sum, value) => sum + value, 0);
    const mean = (of: (i: number) => number) => image.reduce((sum, value, i) => sum + value * of(i), 0) / mass;
    expect(mean((i) => (i % 28) + 0.5)).toBeCloseTo(14, 0);
    expect(mean((i) => Math.floor(i / 28) + 0.5)).toBeCloseTo(14, 0);
  });

  it('is empty where nothing is drawn', () => {
    expect(digitImage(new Uint8Array(280 * 280), 280, 28, 28).every((value) => value === 0)).toBe(true);
  });
});

describe('what a look at a step costs', () => {
  it('is not lost where reports of one flight come apart', () => {
    const flights = new Flights();
    let ms = 0;
    const flight = (steps: number, looked: boolean) => {
      ms += 5 * steps + (looked ? 60 : 0) - 2 * (steps - 1);
      for (let i = 0; i < steps; i++, ms += 2) flights.arrived(ms, looked && i === steps - 1);
      ms -= 2;
    };
    for (let i = 0; i < 20; i++) for (const looked of [false, false, true]) flight(10, looked);
    expect(flights.stepsPerLook).toBeCloseTo(12, 1); // the first flight has no time of its own
  });

  it('is what its flight takes longer than its steps', () => {
    const flights = new Flights();
    let ms = 0;
    const flight = (steps: number, looked: boolean) => {
      ms += 2 * steps + (looked ? 30 : 0);
      for (let i = 0; i < steps; i++) flights.arrived(ms, looked && i === steps - 1);
    };
    for (let i = 0; i < 20; i++) {
      flight(10, false);
      flight(10, false);
      expect(flights.stepsPerLook === undefined).toBe(i === 0);
      flight(5, true);
      flight(1, false); // closes the one before
    }
    expect(flights.stepsPerLook).toBeCloseTo(15, 5);
    flights.clear();
    expect(flights.stepsPerLook).toBeUndefined();
  });
});

describe('painted points', () => {
  const paint = (counts: Readonly<Record<number, number>>) => {
    const points = new PaintedPoints();
    for (const [label, count] of Object.entries(counts))
      for (let i = 0; i < count; i++) points.add({ x: i / 100, y: Number(label), label: Number(label) }, 'new');
    return points;
  };

  it('are no data before there are two classes', () => {
    expect(paint({}).obstacle).toMatch(/two classes/);
    expect(() => paint({}).data()).toThrow(/two classes/);
    expect(paint({ 2: 9 }).obstacle).toMatch(/one class/);
    expect(() => paint({ 2: 9 }).data()).toThrow(/one class/);
    expect(paint({ 2: 9 }).whole).toBeUndefined();
  });

  it('hold back every fifth of a class, and count the classes that there are', () => {
    const { train, test } = paint({ 0: 10, 3: 7 }).data();
    expect([train.samples, test.samples]).toEqual([14, 3]);
    for (const part of [train, test]) expect(part).toMatchObject({ features: 2, labels: ['A', 'D'] });
    expect([...Array.from(labelsOf(test)!)]).toEqual([0, 0, 1]);
  });

  it('are tested on themselves where there are too few', () => {
    const { train, test } = paint({ 0: 2, 1: 2 }).data();
    expect([train.samples, test]).toEqual([4, train]);
  });

  it('are taken back stroke by stroke', () => {
    const points = paint({ 0: 1 });
    points.add({ x: 0, y: 0, label: 1 }, 'new');
    points.add({ x: 0, y: 0.1, label: 1 }, 'same');
    points.undo();
    expect(points.all.length).toBe(1);
    points.clear();
    expect(points.all).toEqual([]);
  });
});

describe('classes of targets', () => {
  const x = [[1], [2], [3]];
  it('are labels, or one-hot rows, and nothing else', () => {
    expect(Array.from(labelsOf(arrays({ x, y: [0, 2, 1], classes: 3 }))!)).toEqual([0, 2, 1]);
    const rows = [[0, 1], [1, 0], [0, 1]]; // biome-ignore format: a table
    expect(Array.from(labelsOf(arrays({ x, y: rows }))!)).toEqual([1, 0, 1]);
    expect(labelsOf(arrays({ x, y: [[0.5, 0.5], [1, 0], [0, 1]] }))).toBeUndefined(); // biome-ignore format: a table
    expect(labelsOf(arrays({ x, y: [0, 1, 1] }))).toBeUndefined();
  });

  it('are said by the first of the largest outputs', () => {
    expect(Array.from(largest(Float32Array.of(0.2, 0.5, 0.5, 0.9, 0, 0.1), 3))).toEqual([1, 0]);
  });
});
