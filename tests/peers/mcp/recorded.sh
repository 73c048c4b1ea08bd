#!/bin/bash
# Runs a program, and keeps the bytes that it reads and writes: recorded.sh NAME COMMAND... writes NAME.up and NAME.down.
exec "${@:2}" < <(exec tee -a "$1.up") > >(exec tee -a "$1.down")
