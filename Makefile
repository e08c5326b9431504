# Two commands need nothing but Go and git:
#   make demo    a whole growth cycle on a fake GitHub on this machine
#   make test    every test; ends with what was not run and why
.PHONY: demo test bench build clean

GO      ?= go
LDFLAGS ?= -s -w
ARGS    ?=
RACE    ?=

build:
	CGO_ENABLED=0 $(GO) build -ldflags '$(LDFLAGS)' -o bin/seedbed ./cmd/seedbed

demo: build
	@bin/seedbed demo $(ARGS)

test:
	@GO='$(GO)' RACE='$(RACE)' sh .ci/test

bench: build
	@GO='$(GO)' sh .ci/bench

clean:
	rm -rf bin dist .cache
