// A registry in memory that has the referrers API, on 127.0.0.1. It prints its port.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := fmt.Println(listener.Addr().(*net.TCPAddr).Port); err != nil {
		os.Exit(1)
	}
	quiet := registry.Logger(log.New(os.Stderr, "", 0))
	log.Fatal(http.Serve(listener, registry.New(registry.WithReferrersSupport(true), quiet)))
}
