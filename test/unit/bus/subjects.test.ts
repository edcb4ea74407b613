import { expect, test } from '@jest/globals';
import { subjects } from '../../../bus/subjects.ts';

test.each([
  ['natswarm.v1.agent.n1.hello', '_INBOX_n1.a.b', true],
  ['natswarm.v1.agent.n1.hello', '_INBOX_n10.a', false],
  ['natswarm.v1.agent.n1.hello', '_INBOX_n2.a', false],
  ['natswarm.v1.agent.n1.hello', '_INBOX_n1', false],
  ['natswarm.v1.agent.n1.hello', 'natswarm.v1.agent.n2.leave', false],
  ['natswarm.v1.command.service.create', '_INBOX_m1.a', true],
  ['natswarm.v1.command.service.create', 'natswarm.v1.leader', false],
  ['natswarm.v1.manager.m1.beat', '$SYS.REQ.USER.AUTH', false],
])('an answer to %s at %s: %s', (subject, reply, allowed) => {
  expect(subjects.mayAnswer(subject, reply)).toBe(allowed);
});
