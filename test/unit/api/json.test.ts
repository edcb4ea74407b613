import { expect, test } from '@jest/globals';
import { parseJson } from '../../../api/body.ts';

// the texts of dockerd 28.5.2
test.each([
  ['{', 'invalid JSON: unexpected EOF'],
  ['{"Name":}', "invalid JSON: invalid character '}' looking for beginning of value"],
  ['{"Name" 1}', "invalid JSON: invalid character '1' after object key"],
  ['garbage', "invalid JSON: invalid character 'g' looking for beginning of value"],
  ['[1,2', 'invalid JSON: unexpected EOF'],
  ['"abc', 'invalid JSON: unexpected EOF'],
  ['nul', 'invalid JSON: unexpected EOF'],
  ['{"a":1} x', 'unexpected content after JSON'],
  ['{"a":1}{"b":2}', 'unexpected content after JSON'],
  ['{"a":1,}', "invalid JSON: invalid character '}' looking for beginning of object key string"],
  ['{a:1}', "invalid JSON: invalid character 'a' looking for beginning of object key string"],
  ['{"a":01}', "invalid JSON: invalid character '1' after object key:value pair"],
  ['[1 2]', "invalid JSON: invalid character '2' after array element"],
  ['[,1]', "invalid JSON: invalid character ',' looking for beginning of value"],
  ['{"a":1.}', "invalid JSON: invalid character '}' in numeric literal"],
  ['{"a":-}', "invalid JSON: invalid character '}' in numeric literal"],
  ['{"a":1e}', "invalid JSON: invalid character '}' in numeric literal"],
  ['{"a":tru}', "invalid JSON: invalid character '}' in literal true (expecting 'e')"],
  ['{"a":"\\x"}', 'invalid JSON: invalid escape sequence `\\x` in string'],
  ['{"a":"\\u12g4"}', 'invalid JSON: invalid escape sequence `\\u12g4` in string'],
  ['{"a":"\\u12', 'invalid JSON: unexpected EOF'],
  ['{"a":"\n"}', "invalid JSON: invalid character '\\n' in string"],
  ["{'a':1}", "invalid JSON: invalid character '\\'' looking for beginning of object key string"],
  ['', 'invalid JSON: got EOF while reading request body'],
  ['  \n', 'invalid JSON: got EOF while reading request body'],
  ['['.repeat(10_001), 'invalid JSON: exceeded max depth'],
])('%.40j: %s', (text, message) => {
  expect(() => parseJson(text)).toThrow(new Error(message));
});

test('what is right is read', () => {
  expect(parseJson('{"a":[1,-2.5e3,"x\\n\\u00e9",true,null,{}]}')).toEqual({
    a: [1, -2500, 'x\né', true, null, {}],
  });
  expect(parseJson(' null ')).toBeNull();
});

test('a closing bracket too many goes unnoticed, as in Docker', () => {
  expect(parseJson('{"a":{"b":[]}} }')).toEqual({ a: { b: [] } });
  expect(parseJson('"x" ]')).toBe('x');
});
