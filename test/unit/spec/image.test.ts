import { expect, test } from '@jest/globals';
import { isImageReference } from '../../../domain/spec/image.ts';

const sha = 'a'.repeat(64);

test.each([
  'x',
  'x:tag',
  `x@sha256:${sha}`,
  `x:t@sha256:${sha}`,
  `x@sha512:${'b'.repeat(128)}`,
  `${sha}x`,
  'localhost/x',
  'localhost:5000/x:1',
  'A/b',
  'X.com/y',
  'foo/bar/baz:1',
  'docker.io/x',
  'index.docker.io/x',
  '[::1]:5000/x',
  'x:5000',
  'a__b',
  'a--b',
  'x:_',
  'localhost',
  `x:${'t'.repeat(128)}`,
  'a'.repeat(247),
])('%s is one', (image) => {
  expect(isImageReference(image)).toBe(true);
});

test.each([
  '',
  'X',
  'x:',
  'x@',
  'x@sha256:abc',
  `x@md5:${'a'.repeat(32)}`,
  `x@sha256:${'A'.repeat(64)}`,
  sha,
  'a/B',
  'a.b/X',
  'http://x/y',
  'x y',
  'x/',
  '/x',
  'x//y',
  'a..b',
  'a___b',
  'a-',
  '-a',
  '_x',
  'x:.a',
  'x:t:u',
  'x:5000/y/z:a:b',
  'é',
  'x\n',
  `x:${'t'.repeat(129)}`,
  'a'.repeat(248),
  'a'.repeat(100_000),
  `${'a-'.repeat(50_000)}!`,
])('%s is none', (image) => {
  expect(isImageReference(image)).toBe(false);
});
