//go:build !linux

package main

import (
	"errors"
	"log/slog"

	"github.com/fairlead-net/fairlead/agent/config"
	"github.com/fairlead-net/fairlead/vfp"
)

func openDatapath(*config.Config, *slog.Logger) (vfp.Datapath, error) {
	return nil, errors.New("there is no datapath for this system yet, only for Linux")
}

func lock(string) (unlock func(), err error) { return func() {}, nil }
