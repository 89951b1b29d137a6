/* The version, in one place. */
#pragma once

#define RMMHUNT_VERSION "0.1.0"
