// Templates of Go's text/template in a spec: what the container gets, and what is refused with which text.

import { create, docker, type Row } from './row.ts';

/** Each is the value of an environment variable. */
const good = [
  '{{.Node.Platform}}',
  '{{.Task.Slot}} {{printf "%03s" .Task.Slot}} {{printf "%5s|%-5s|%q" .Task.Slot .Task.Slot .Task.Slot}}',
  '{{if eq .Task.Slot "1"}}first{{else if eq .Task.Slot "2"}}second{{else}}more{{end}}',
  '{{range $key, $value := .Service.Labels}}{{$key}}={{$value}};{{end}}',
  '{{range $i := 3}}{{if $i}},{{end}}{{$i}}{{end}}',
  '{{with .Node.Platform}}{{.OS}}{{end}}{{with index .Service.Labels "none"}}a{{else}}b{{end}}',
  '{{$n := len .Service.Name}}{{$n}} {{slice .Service.Name 1}} {{index .Service.Name 0}}',
  '{{not .Task.Slot}} {{and 1 .Task.Slot}} {{or "" "x"}} {{lt 1 2}} {{ge "a" "b"}} {{ne .Task.Slot "1"}}',
  '{{define "t"}}[{{.}}]{{end}}{{template "t" .Service.Name}}{{block "b" 5}}<{{.}}>{{end}}',
  '{{print 1 2 "a"}}{{println "b"}}{{html "<a>"}}{{js "it\'s"}}{{urlquery "a b&c"}}',
  'a {{- /* a comment */ -}} b {{- "c" -}} d{{range 5}}{{if eq . 2}}{{break}}{{end}}{{.}}{{end}}',
  '{{join "," "a" .Task.Slot}}{{.Task.Slot | printf "%s-%s" "x" | len}}',
];

/** Refused when the service is created. */
const bad = [
  '{{if}}x{{end}}',
  '{{if true}}x',
  '{{else}}',
  '{{range $i, $x := 3}}{{end}}',
  '{{range .Service.Name}}{{end}}',
  '{{break}}',
  '{{$x}}',
  '{{$x, $y := 1}}',
  '{{len 5}}',
  '{{len}}',
  '{{slice "abc" 2 1}}',
  '{{index "abc" 9}}',
  '{{eq 1 "1"}}',
  '{{lt true false}}',
  '{{call .Service.Name}}',
  '{{template "none"}}',
  '{{define "t"}}{{.Foo}}{{end}}{{template "t" .}}',
  '{{printf 5}}',
  '{{5 6}}',
  '{{(.Task).Foo}}',
  '{{1 | 2}}',
  '{{08}}',
  "{{'ab'}}",
  'a\nb{{.Service.Labels.none}}',
];

export const templates: readonly Row[] = [
  {
    api: [
      'POST',
      '/v1.51/services/create',
      {
        Name: 'templates',
        Labels: { a: '1', b: '' },
        TaskTemplate: {
          ContainerSpec: {
            Image: 'natswarm-sleep:1',
            Env: good.map((text, i) => `T${i}=${text}`),
          },
        },
        Mode: { Replicated: { Replicas: 1 } },
      },
    ],
  },
  docker('service ls --filter name=templates', { settled: true }),
  docker(
    'ps --quiet --no-trunc --filter label=com.docker.swarm.service.name=templates --filter status=running',
    { keep: 'templates' },
  ),
  docker("inspect --format '{{json .Config.Env}}' {templates}"),
  docker('service rm templates'),
  ...bad.map((text) => create({ Name: 'bad-template' }, { Env: [`T=${text}`] })),
];
