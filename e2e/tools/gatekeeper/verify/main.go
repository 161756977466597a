// Command verify runs one of Gatekeeper's Suite files as `gator verify` does, with gator's own runner, engine and
// output, but compiles each template once instead of once for each case.
//
// gator makes a new client for each case, reads and adds the template, the constraint and the inventory. Here there is
// one client, from which the constraint and the inventory of the case before are removed; its template stays until
// another one comes. A template that was read is not read again: for it, the runner reads its path alone.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	constraintclient "github.com/open-policy-agent/frameworks/constraint/pkg/client"
	"github.com/open-policy-agent/frameworks/constraint/pkg/core/templates"
	"github.com/open-policy-agent/frameworks/constraint/pkg/types"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/gator"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/gator/verify"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/target"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// client is gator's, with what was added to it.
type client struct {
	*constraintclient.Client
	files       *files
	template    *templates.ConstraintTemplate
	constraints []*unstructured.Unstructured
}

// files are those of the machine, but for the templates that were read before.
type files struct {
	fs.FS
	// read has the templates that were read, by their path.
	read map[string]*templates.ConstraintTemplate
	// last is the path that was read last.
	last string
}

// ReadFile reads a file, or names a template that was read before.
func (f *files) ReadFile(path string) ([]byte, error) {
	f.last = path
	if _, known := f.read[path]; known {
		const named = `{"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": %q}}`
		return fmt.Appendf(nil, named, path), nil
	}
	return fs.ReadFile(f.FS, path)
}

func newClient(files *files) (*client, error) {
	made, err := gator.NewOPAClient(false)
	if err != nil {
		return nil, err
	}
	gators, is := made.(*constraintclient.Client)
	if !is {
		return nil, fmt.Errorf("gator's client is a %T", made)
	}
	return &client{Client: gators, files: files}, nil
}

// next hands out the client for another case.
func (c *client) next(_ ...gator.Opt) (gator.Client, error) {
	return c, c.clear()
}

// clear removes what the case before has added; its template stays.
func (c *client) clear() error {
	ctx := context.Background()
	for _, constraint := range c.constraints {
		if _, err := c.Client.RemoveConstraint(ctx, constraint); err != nil {
			return err
		}
	}
	c.constraints = nil
	// All at once: of an object that is removed alone, its kind would stay, empty.
	_, err := c.Client.RemoveData(ctx, target.WipeData())
	return err
}

// AddTemplate compiles a template that is another one than that of the case before.
func (c *client) AddTemplate(ctx context.Context, template *templates.ConstraintTemplate) (*types.Responses, error) {
	if known, is := c.files.read[template.Name]; is {
		template = known
	} else {
		c.files.read[c.files.last] = template
	}
	if c.template == template {
		return types.NewResponses(), nil
	}
	if c.template != nil {
		if _, err := c.Client.RemoveTemplate(ctx, c.template); err != nil {
			return nil, err
		}
		c.template = nil
	}
	responses, err := c.Client.AddTemplate(ctx, template.DeepCopy())
	if err == nil {
		c.template = template
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
	root := &files{FS: os.DirFS("/"), read: map[string]*templates.ConstraintTemplate{}}
	suites, err := verify.ReadSuites(root, strings.TrimPrefix(absolute, "/"), path, false)
	if err != nil {
		return err
	}
	all, err := verify.NewFilter("")
	if err != nil {
		return err
	}
	client, err := newClient(root)
	if err != nil {
		return err
	}
	runner, err := verify.NewRunner(root, client.next)
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
