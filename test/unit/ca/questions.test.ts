import { expect, test } from '@jest/globals';
import { CaInquiry } from '../../../domain/ca/questions.ts';
import { faultOf } from '../spec/helpers.ts';
import { clusterWith, decide, firstRoot, local, wall } from './helpers.ts';

const external = clusterWith({
  rootCa: { certPem: firstRoot.certPem, keyPem: '', tokens: { worker: 'W', manager: 'M' } },
});
const externalCas = [
  { Protocol: 'cfssl', URL: 'https://a' },
  { Protocol: 'cfssl', URL: 'https://b' },
];
const request = { forceRotate: 1, externalCas };

test('nothing outside is asked while the cluster has its key', () => {
  const inquiry = new CaInquiry(local);
  decide(clusterWith(), { forceRotate: 1 }, { ca: inquiry.asking() });
  expect(inquiry.questions).toEqual([]);
});

test('first the questions, then the decision on the answers, about one and the same new root', () => {
  const inquiry = new CaInquiry(local);
  decide(external, request, { ca: inquiry.asking() });
  const [answers, crossSign, ...more] = inquiry.questions;
  expect(more).toEqual([]);
  const where = { rootPem: firstRoot.certPem, urls: ['https://a', 'https://b'] };
  expect(answers).toEqual({ ask: 'answers', ...where });
  expect(crossSign).toMatchObject({ ask: 'cross-sign', ...where });
  if (answers === undefined || crossSign?.ask !== 'cross-sign') throw new Error('not asked');
  inquiry.answer(answers, true);
  inquiry.answer(crossSign, 'CROSSED');
  for (const now of [wall, wall + 1])
    expect(decide(external, request, { ca: inquiry.knowing(), now }).rootRotation).toEqual({
      ...crossSign.newRoot,
      crossSignedPem: 'CROSSED',
      startedAt: now,
    });
});

test('what has no answer is a no', () => {
  const inquiry = new CaInquiry(local);
  decide(external, request, { ca: inquiry.asking() });
  expect(faultOf(() => decide(external, request, { ca: inquiry.knowing() }))).toContain(
    'corresponding to the current CA certificate',
  );
  const [answers] = inquiry.questions;
  if (answers !== undefined) inquiry.answer(answers, true);
  expect(faultOf(() => decide(external, request, { ca: inquiry.knowing() }))).toBe(
    'Internal: unable to generate a cross-signed certificate for root rotation',
  );
});
