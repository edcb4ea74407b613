// Gives Go's own answers for the templates of cases.jsonl: go run oracle.go <cases.jsonl >answers.jsonl
// It executes them as Swarm does: with the option missingkey=error, the function join and data of these types.
package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

type platform struct{ Architecture, OS string }

type data struct {
	Service struct {
		ID, Name string
		Labels   map[string]string
	}
	Node struct {
		ID, Hostname string
		Platform     platform
	}
	Task struct{ ID, Name, Slot string }
}

type answer struct {
	Source string  `json:"source"`
	Text   *string `json:"text,omitempty"`
	Error  string  `json:"error,omitempty"`
}

func join(parts ...string) string { return strings.Join(parts[1:], parts[0]) }

func expand(source string) answer {
	d := &data{}
	d.Service.ID, d.Service.Name = "sid", "web"
	d.Service.Labels = map[string]string{"zone": "a", "empty": ""}
	d.Node.ID, d.Node.Hostname, d.Node.Platform = "nid", "host1", platform{"x86_64", "linux"}
	d.Task.ID, d.Task.Name, d.Task.Slot = "tid", "web.3.tid", "3"
	options := template.New("expansion").Option("missingkey=error")
	parsed, err := options.Funcs(template.FuncMap{"join": join}).Parse(source)
	var out strings.Builder
	if err == nil {
		err = parsed.Execute(&out, d)
	}
	// The names of Swarm's types.
	swarms := strings.NewReplacer("main.data", "template.Context", "main.platform", "template.Platform")
	if err != nil {
		return answer{Source: source, Error: swarms.Replace(err.Error())}
	}
	text := swarms.Replace(out.String())
	return answer{Source: source, Text: &text}
}

func main() {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for {
		var given answer
		if in.Decode(&given) != nil {
			return
		}
		_ = out.Encode(expand(given.Source))
	}
}
