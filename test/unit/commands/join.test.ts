import { expect, test } from '@jest/globals';
import { clusterDefaults } from '../../../domain/spec/cluster.ts';
import { faultOf } from '../spec/helpers.ts';
import { World } from './helpers.ts';

const labelled = (labels: Readonly<Record<string, string>>): World => {
  const w = new World();
  const { id, meta } = w.cluster();
  const spec = { ...clusterDefaults, Labels: labels };
  w.run('cluster.update', { id, version: meta.version, spec });
  return w;
};
const join = (letter: string) => ({
  nodeId: letter.repeat(25),
  token: 'W',
  pin: 'a'.repeat(64),
  key: 'AAAA',
});

test('a cluster has as many nodes as its label says, and no more', () => {
  const w = labelled({ 'natswarm.nodes.max': '2' });
  expect(w.run('node.join', join('a'))).toEqual({ role: 'worker' });
  expect(faultOf(() => w.run('node.join', join('b')))).toBe(
    'ResourceExhausted: this cluster has as many nodes as it may have: 2 (its label natswarm.nodes.max); remove nodes that are gone ("docker node rm"), or raise the label',
  );
  // its answer got lost
  expect(w.run('node.join', join('a'))).toEqual({ role: 'worker' });
  w.apply([{ op: 'delete', kind: 'node', id: join('a').nodeId }]);
  expect(w.run('node.join', join('b'))).toEqual({ role: 'worker' });
});

test('what was there before the label stays', () => {
  const w = labelled({ 'natswarm.nodes.max': '1' });
  expect(w.store.count('node')).toBe(1);
  expect(faultOf(() => w.run('node.join', join('a')))).toContain('may have: 1');
});

test.each(['', '0', '-1', '1.5', '1e3', 'many', '10000000'])(
  'a label that is no such number is refused: "%s"',
  (value) => {
    for (const name of ['natswarm.nodes.max', 'natswarm.joins.rate'])
      expect(faultOf(() => labelled({ [name]: value }))).toMatch(
        /^InvalidArgument: label natswarm.\w+.\w+ must be a whole number from 1 to \d+$/,
      );
  },
);

test('other labels are anybody’s', () => {
  expect(() => labelled({ 'natswarm.other': 'x', toString: 'y' })).not.toThrow();
});

test('a state of before may have anything there', () => {
  const w = new World();
  const spec = { ...clusterDefaults, Labels: { 'natswarm.nodes.max': 'many' } };
  w.apply([{ op: 'patch', kind: 'cluster', id: w.cluster().id, fields: { spec } }]);
  expect(w.run('node.join', join('a'))).toEqual({ role: 'worker' });
});
