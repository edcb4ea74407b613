import { expect, test } from '@jest/globals';
import { refilled } from '../../../domain/assign/bucket.ts';

const bucket = { burst: 100, perS: 10 };

test('a bucket fills with time, from below zero too, and no further than its burst', () => {
  expect(refilled(20, bucket, 0)).toBe(20);
  expect(refilled(20, bucket, 500)).toBe(25);
  expect(refilled(-30, bucket, 2_000)).toBe(-10);
  expect(refilled(95, bucket, 60_000)).toBe(100);
});
