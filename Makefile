# stream_ext: see README.md
EXTENSION = stream_ext
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" stream_ext.control)
MODULE_big = stream_ext
ROOMS = catalog security stats source decode window aggregate plan state ingest api launcher
C_SOURCES = $(wildcard src/*.c) $(foreach r,$(ROOMS),$(wildcard src/$(r)/*.c))
CXX_SOURCES = $(wildcard src/decode/*.cc)
OBJS = $(sort $(C_SOURCES:.c=.o) $(CXX_SOURCES:.cc=.o))
DATA_built = sql/stream_ext--$(EXTVERSION).sql
DATA = $(filter-out $(DATA_built),$(wildcard sql/stream_ext--*--*.sql))

REGRESS_SQL = $(sort $(filter-out sql/stream_ext% sql/init.sql,$(wildcard sql/*.sql)))
REGRESS = init $(patsubst sql/%.sql,%,$(REGRESS_SQL))
REGRESS_OPTS = --temp-instance=tmp_check --temp-config=test/regress.conf
ISOLATION = $(sort $(patsubst test/isolation/specs/%.spec,%,$(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation --temp-instance=tmp_check_iso \
	--temp-config=test/regress.conf --load-extension=stream_ext

PKGS = rdkafka simdjson
PKG_CONFIG ?= pkg-config
ifeq ($(filter clean distclean,$(MAKECMDGOALS)),)
ifeq ($(shell command -v $(PKG_CONFIG)),)
$(error pkg-config is missing: install it (Debian: apt-get install pkg-config))
endif
define need
ifneq ($$(shell $(PKG_CONFIG) --exists '$(1) >= $(2)' && echo yes),yes)
$$(error $(1) >= $(2) was not found by pkg-config: install its development files (Debian: apt-get install $(3)))
endif
endef
$(eval $(call need,rdkafka,2.0.2,librdkafka-dev))
$(eval $(call need,simdjson,3.0.1,libsimdjson-dev))
endif

WARNINGS = -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers -Wno-cast-function-type -Wno-clobbered
PG_CPPFLAGS = -Isrc $(shell $(PKG_CONFIG) --cflags rdkafka 2>/dev/null)
PG_CFLAGS = $(WARNINGS)
SHLIB_LINK = $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) -lstdc++

# No bitcode for inlining by JIT: workers run without JIT.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# C++ is compiled with its own flags: PostgreSQL's are for C.
src/decode/%.o: src/decode/%.cc
	$(CXX) -std=c++17 -O2 -fPIC -g -fvisibility=hidden -fno-rtti \
		-Wall -Wextra -Werror $(SE_SANITIZE) \
		$(shell $(PKG_CONFIG) --cflags simdjson) -c -o $@ $<

# Headers are few: any change rebuilds all.
$(OBJS): $(wildcard src/*.h src/*/*.h)

sql/stream_ext--$(EXTVERSION).sql: sql/stream_ext.sql
	cp $< $@
EXTRA_CLEAN = sql/stream_ext--$(EXTVERSION).sql

# Seconds of fuzzing, divided among the decoders.
FUZZ_SECONDS ?= 180

.PHONY: bench fuzz-check
bench:
	bench/run

fuzz-check:
	test/fuzz/run $(FUZZ_SECONDS)
