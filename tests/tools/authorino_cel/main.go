// Copyright (c) 2026, llmops.maas contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Answers questions in CEL as Authorino does: reads a JSON list of expressions with facts, and writes a list of values.
package main

import (
	"encoding/json"
	"log"
	"os"

	"github.com/kuadrant/authorino/pkg/expressions/cel"
)

type question struct {
	Expression string          `json:"expression"`
	Facts      json.RawMessage `json:"facts"`
}

type answer struct {
	// Why the expression is none that Authorino takes.
	Refused string `json:"refused,omitempty"`
	// Why it has no value for these facts.
	Failed string `json:"failed,omitempty"`
	Value  any    `json:"value"`
}

func main() {
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		log.Fatal(err)
	}
	answers := make([]answer, 0, len(questions))
	for _, asked := range questions {
		answers = append(answers, evaluate(asked))
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		log.Fatal(err)
	}
}

func evaluate(asked question) answer {
	expression, err := cel.NewExpression(asked.Expression)
	if err != nil {
		return answer{Refused: err.Error()}
	}
	value, err := expression.ResolveFor(string(asked.Facts))
	if err != nil {
		return answer{Failed: err.Error()}
	}
	return answer{Value: value}
}
