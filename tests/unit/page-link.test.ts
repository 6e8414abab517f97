import fc from 'fast-check';
import { expect, test } from 'vitest';
import { complete } from '../../app/experiment/controls.js';
import { fromLink, linkProblems, toLink } from '../../app/shell/link.js';

/* The page as a link: what it says, and what is made of links that others wrote. */

test('a link holds what is not a default, and gives it back', () => {
  expect(toLink({ view: 'train', experiment: {}, state: {} })).toBe('#v=2&view=train');
  const experiment = { optimizer: 'sgd', 'optimizer.lr': '0.1', hidden: '32, 8', seed: '7' };
  const link = toLink({ view: 'landscape', experiment, state: { problem: 'beale' } });
  expect(new URLSearchParams(link.slice(1)).get('landscape.problem')).toBe('beale');
  expect(link).not.toContain('epochs');
  const { view, experiment: read, state, unknown } = fromLink(link);
  expect({ view, state, unknown }).toEqual({ view: 'landscape', state: { problem: 'beale' }, unknown: [] });
  expect(complete(read)).toEqual(complete(experiment));
});

test('links of the first page, which had no version and held every setting, are still read', () => {
  const { view, experiment, unknown } = fromLink('#hidden=32&samples=1250&epochs=6&batch=50&optimizer.lr=0.003');
  expect(view).toBe('train');
  expect(unknown).toEqual([]);
  expect(experiment).toEqual({ hidden: '32', samples: '1250', epochs: '6', batch: '50', 'optimizer.lr': '0.003' });
});

test('versions, views, rules and keys that do not exist are named, and the rest is used', () => {
  const markup = '<img src=x onerror=alert(1)>';
  const link = `#${new URLSearchParams({ v: '99', view: markup, optimizer: 'bogus', [markup]: '1', seed: '3' })}`;
  const read = fromLink(link);
  expect(read.view).toBe('train');
  expect(read.experiment.seed).toBe('3');
  const said = linkProblems(read, ['x']).join('\n');
  for (const part of ['version 99', `none called ${markup}`, `${markup}: this page`, 'optimizer is bogus', 'train.x'])
    expect(said).toContain(part);
});

test('names that every object has are no names of a table', () => {
  for (const name of ['constructor', 'toString', '__proto__']) {
    const link = new URLSearchParams({
      data: name,
      optimizer: name,
      loss: name,
      schedule: name,
      'step-size': '3',
      seed: '3',
    });
    const read = fromLink(`#${link}`);
    expect(read.experiment.seed).toBe('3');
    const said = linkProblems(read, []);
    for (const key of ['data', 'optimizer', 'loss', 'schedule'])
      expect(said).toContainEqual(expect.stringContaining(`${key} is ${name}`));
  }
});

test('what no link carries is said: files, and painted points', () => {
  const said = (data: string) => linkProblems(fromLink(`#v=2&data=${data}`), []);
  expect(said('files')).toEqual(['No link carries files: choose your own.']);
  expect(said('painted')).toEqual(['No link carries painted points: paint your own.']);
  expect(said('xor')).toEqual([]);
});

test('100 KB of text are not read, in one value or in many; so much of them is said', () => {
  const long = fromLink(`#seed=${'9'.repeat(100_000)}`);
  expect(long.unknown).toEqual([expect.stringMatching(/^It has 100,006 characters; 16,384 at most/)]);
  expect(long.experiment).toEqual({});
  const value = fromLink(`#seed=${'9'.repeat(10_000)}&epochs=3`);
  expect(value.experiment).toEqual({ epochs: '3' });
  expect(value.unknown).toEqual(['seed has 10,000 characters, and was not read.']);
  const many = fromLink(`#${Array.from({ length: 1000 }, (_, i) => `k${i}=1`).join('&')}`);
  const lines = linkProblems(many, []);
  expect(lines.length).toBeLessThan(20);
  expect(lines.join('').length).toBeLessThan(3000);
});

test('a key that is there twice counts once, and one that is a name of JavaScript is a key', () => {
  expect(fromLink('#seed=1&seed=2')).toMatchObject({
    experiment: { seed: '1' },
    unknown: ['seed is there twice; the first counts.'],
  });
  const { state, unknown } = fromLink('#view=compare&compare.__proto__=x&__proto__=y&constructor=z');
  expect(Object.hasOwn(state, '__proto__')).toBe(true);
  expect(Object.getPrototypeOf(state)).toBe(Object.prototype);
  expect(unknown.join()).toMatch(/__proto__.*constructor/);
});

test('whatever stands behind the #, reading it throws nothing and says little', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300, unit: 'binary' }), (text) => {
      expect(linkProblems(fromLink(`#${text}`), []).join('').length).toBeLessThan(20_000);
    }),
    { numRuns: 500 },
  );
});
