// Command verify runs one of Gatekeeper's Suite files as `gator verify` does, with gator's own runner, engine and
// output, but compiles each template once instead of once for each case.
//
// gator makes a new client for each case and adds template, constraint and inventory to it. Here one client stays as
// long as the template stays the same; constraints and inventory of the case before are removed from it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	constraintclient "github.com/open-policy-agent/frameworks/constraint/pkg/client"
	"github.com/open-policy-agent/frameworks/constraint/pkg/core/templates"
	"github.com/open-policy-agent/frameworks/constraint/pkg/types"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/gator"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/gator/verify"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// client is gator's, with what was added to it since it was last handed out.
type client struct {
	*constraintclient.Client
	template    *templates.ConstraintTemplate
	constraints []*unstructured.Unstructured
	data        []any
}

// clients hands out the one client that there is.
type clients struct{ current *client }

func (c *clients) next(_ ...gator.Opt) (gator.Client, error) {
	if c.current == nil {
		made, err := newClient()
		if err != nil {
			return nil, err
		}
		c.current = made
	}
	return c.current, c.current.clear()
}

func newClient() (*client, error) {
	made, err := gator.NewOPAClient(false)
	if err != nil {
		return nil, err
	}
	gators, is := made.(*constraintclient.Client)
	if !is {
		return nil, fmt.Errorf("gator's client is a %T", made)
	}
	return &client{Client: gators}, nil
}

// clear removes what the case before has added; its template stays.
func (c *client) clear() error {
	ctx := context.Background()
	for _, constraint := range c.constraints {
		if _, err := c.Client.RemoveConstraint(ctx, constraint); err != nil {
			return err
		}
	}
	for _, object := range c.data {
		if _, err := c.Client.RemoveData(ctx, object); err != nil {
			return err
		}
	}
	c.constraints, c.data = nil, nil
	return nil
}

// AddTemplate compiles a template that is another one than that of the case before.
func (c *client) AddTemplate(ctx context.Context, template *templates.ConstraintTemplate) (*types.Responses, error) {
	if c.template != nil && reflect.DeepEqual(c.template, template) {
		return types.NewResponses(), nil
	}
	if c.template != nil {
		if _, err := c.Client.RemoveTemplate(ctx, c.template); err != nil {
			return nil, err
		}
		c.template = nil
	}
	added := template.DeepCopy()
	responses, err := c.Client.AddTemplate(ctx, template)
	if err == nil {
		c.template = added
	}
	return responses, err
}

// AddConstraint adds a constraint that the next case does not see.
func (c *client) AddConstraint(ctx context.Context, constraint *unstructured.Unstructured) (*types.Responses, error) {
	responses, err := c.Client.AddConstraint(ctx, constraint)
	if err == nil {
		c.constraints = append(c.constraints, constraint)
	}
	return responses, err
}

// AddData adds an object to the inventory that the next case does not see.
func (c *client) AddData(ctx context.Context, object any) (*types.Responses, error) {
	responses, err := c.Client.AddData(ctx, object)
	if err == nil {
		c.data = append(c.data, object)
	}
	return responses, err
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: verify SUITE")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run(path string) error {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	root := os.DirFS("/")
	suites, err := verify.ReadSuites(root, strings.TrimPrefix(absolute, "/"), path, false)
	if err != nil {
		return err
	}
	all, err := verify.NewFilter("")
	if err != nil {
		return err
	}
	runner, err := verify.NewRunner(root, (&clients{}).next)
	if err != nil {
		return err
	}
	results := make([]verify.SuiteResult, len(suites))
	for i, suite := range suites {
		results[i] = runner.Run(context.Background(), all, suite)
	}
	said := &strings.Builder{}
	if err := (verify.PrinterGo{}).Print(said, results, false); err != nil {
		return err
	}
	fmt.Println(said)
	if failed(results) {
		return errors.New("FAIL")
	}
	return nil
}

func failed(results []verify.SuiteResult) bool {
	for _, suite := range results {
		if suite.Error != nil {
			return true
		}
		for _, test := range suite.TestResults {
			if test.Error != nil {
				return true
			}
			for _, one := range test.CaseResults {
				if one.Error != nil {
					return true
				}
			}
		}
	}
	return false
}
