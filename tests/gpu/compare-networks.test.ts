import { afterAll, expect, it } from 'vitest';
import { CHAPTERS } from '../../harness/compare/chapters/index.js';
import { scratch } from '../support/cli.js';
import { SMALL, testChapters } from '../support/compare.js';

const folder = scratch();
afterAll(folder.remove);

it('every chapter has a test', () => {
  expect(Object.keys(SMALL)).toEqual(CHAPTERS.map(({ name }) => name));
});

testChapters(Object.keys(SMALL).slice(8), folder.path);
