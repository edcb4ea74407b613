import { expect, test } from '@jest/globals';
import { CallSignal } from '../../../actors/agent/call-signal.ts';

test('calls share a signal until one is cut; the next one has another', () => {
  const calls = new CallSignal(new AbortController().signal);
  const first = calls.current;
  expect(calls.current).toBe(first);
  calls.cut();
  expect(first.aborted).toBe(true);
  expect(calls.current.aborted).toBe(false);
});

test('the end of the scope aborts the call that is under way and each one after it', () => {
  const scope = new AbortController();
  const calls = new CallSignal(scope.signal);
  calls.cut();
  const { current } = calls;
  scope.abort();
  expect(current.aborted).toBe(true);
  calls.cut();
  expect(calls.current.aborted).toBe(true);
  expect(new CallSignal(scope.signal).current.aborted).toBe(true);
});
